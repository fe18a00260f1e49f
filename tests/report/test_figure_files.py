import pytest

import sparsight
from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.report import write_figures
from sparsight.report._figure_files import panels_of
from sparsight.report._subjects import Summaries
from sparsight.store import Run, RunDirectory

MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


def test_write_figures_writes_every_panel_in_every_format_the_same_each_time(stored_runs, tmp_path):
    run = stored_runs["line"]
    first = write_figures(run, tmp_path / "a")
    names = {path.stem for path in first}
    assert len(first) == 3 * len(names)
    assert names == {panel.identifier for panel in panels_of(Summaries(run))}
    captions = (tmp_path / "a" / "captions.md").read_text(encoding="utf-8")
    for path in first:
        assert path.read_bytes().startswith(MAGIC[path.suffix[1:]])
        assert f"`{path.stem}`" in captions
    second = write_figures(run, tmp_path / "b", ["svg", "pdf"])
    for path in second:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes(), path.name


def test_every_named_panel_is_there(stored_run):
    names = " ".join(panel.identifier for panel in panels_of(Summaries(stored_run)))
    for part in (
        "test-accuracy", "locality-near", "locality-far", "ipr-imp", "kurtosis-imp", "cavity-imp",
        "cavity-matched-imp", "receptive-fields-imp-level-0", "preactivations-imp", "cavity-map-imp",
        "profile-imp", "levels-same-channel-imp", "levels-different-channel-imp", "fan-in", "fan-out-imp",
        "cavity-weights-imp", "cavity-matched-weights-imp", "difference-locality-near",
    ):  # fmt: skip
        assert part in names, part


def test_panels_have_labels_and_captions_and_distinct_names(stored_run):
    panels = list(panels_of(Summaries(stored_run)))
    assert len({panel.identifier for panel in panels}) == len(panels)
    for panel in panels:
        assert panel.caption.endswith(".")
        assert panel.ax.get_xlabel(), panel.name


def test_write_figures_names_what_is_wrong(stored_run, tmp_path):
    with pytest.raises(InputError, match="format is jpeg; svg, pdf, png are allowed"):
        write_figures(stored_run, tmp_path / "a", ["svg", "jpeg"])
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file cannot be written"):
        write_figures(stored_run, tmp_path / "file", ["svg"])
    with pytest.raises(InputError, match="holds no level yet"):
        write_figures(Run(RunDirectory.create(stored_run.recipe, tmp_path / "new")), tmp_path / "b")


def test_every_plot_is_part_of_the_public_interface_and_returns_its_axes():
    plots = [name for name in dir(sparsight) if name.startswith("plot_")]
    assert len(plots) == 12
    for name in plots:
        plot = getattr(sparsight, name)
        assert plot.__annotations__["ax"] == (sparsight.plot_fan_in.__annotations__["ax"]), name
        assert plot.__kwdefaults__ is not None, name


def test_the_command_writes_the_formats_asked_for_and_says_what_is_wrong(stored_runs, tmp_path, capsys):
    run = str(stored_runs["line"].path)
    with pytest.raises(SystemExit) as ended:
        main(["figures", run, "--format", "tiff", "--out", str(tmp_path / "a")])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "sparsight: format is tiff; svg, pdf, png are allowed\n"
    with pytest.raises(SystemExit) as ended:
        main(["figures", run, "--format", "png", "--out", str(tmp_path / "b")])
    assert not ended.value.code
    assert {path.suffix for path in (tmp_path / "b").iterdir()} == {".png", ".md"}
