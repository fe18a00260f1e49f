import itertools

import pytest

import sparsight
from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.report import write_figures
from sparsight.report._figure_files import panels_of
from sparsight.report._subjects import Summaries
from sparsight.store import Run, RunDirectory
from tests.invented_runs import LOCALITY_ALONE

MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


# One panel of every kind of artist: lines and bands, marks, images, stairs, a symmetric log axis. No more:
# a PDF takes a quarter of a second, most of it to embed the font.
KINDS = (
    "linear-0-kurtosis-imp", "difference-locality-near", "receptive-fields-imp-level-0", "preactivations-imp",
    "levels-same-channel-imp", "cavity-weights-imp",
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny_run(store, tmp_path_factory):
    """A run with few panels: every panel in every format is soon written."""
    path = tmp_path_factory.mktemp("figures") / "tiny"
    geometry = Geometry(1, (12,))
    return store(path, geometry=geometry, replicates=1, levels=2, conditions=("imp",), measure=LOCALITY_ALONE)


@pytest.fixture(scope="module")
def panels(stored_run):
    return list(panels_of(Summaries(stored_run)))


def test_write_figures_writes_a_panel_in_every_format(tiny_run, tmp_path, monkeypatch):
    chosen = list(itertools.islice(panels_of(Summaries(tiny_run)), 3))
    monkeypatch.setattr("sparsight.report._figure_files.panels_of", lambda _: chosen)
    written = write_figures(tiny_run, tmp_path)
    assert [path.name for path in written] == [
        f"{panel.identifier}.{name}" for panel in chosen for name in ("svg", "pdf", "png")
    ]
    for path in written:
        assert path.read_bytes().startswith(MAGIC[path.suffix[1:]])


def test_write_figures_writes_the_same_bytes_each_time(stored_runs, tmp_path, monkeypatch):
    def chosen(summaries):
        return [panel for panel in panels_of(summaries) if panel.identifier in KINDS]

    monkeypatch.setattr("sparsight.report._figure_files.panels_of", chosen)
    first, second = (write_figures(stored_runs["line"], tmp_path / name, ["svg", "pdf"]) for name in "ab")
    assert [path.name for path in first] == [path.name for path in second]
    assert {path.stem for path in first} == set(KINDS)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_every_named_panel_is_there(panels):
    names = " ".join(panel.identifier for panel in panels)
    for part in (
        "test-accuracy", "locality-attained-share", "locality-near", "locality-far", "locality-radius",
        "ipr-imp", "kurtosis-imp", "cavity-imp", "pieces-imp", "share-imp",
        "cavity-matched-imp", "receptive-fields-imp-level-0", "preactivations-imp", "cavity-map-imp",
        "profile-imp", "levels-same-channel-imp", "levels-different-channel-imp", "fan-in", "fan-out-imp",
        "cavity-weights-imp", "cavity-matched-weights-imp", "difference-locality-near",
        "difference-locality-attained-share",
    ):  # fmt: skip
        assert part in names, part


def test_panels_have_labels_and_captions_and_distinct_names(panels):
    assert len({panel.identifier for panel in panels}) == len(panels)
    for panel in panels:
        assert panel.caption[0].isupper() or panel.caption.startswith(("own: ", "Δ"))
        assert panel.caption.endswith(".")
        assert panel.ax.get_xlabel(), panel.name


def test_write_figures_names_what_is_wrong(stored_run, tmp_path):
    with pytest.raises(InputError, match="format is jpeg; svg, pdf, png are allowed"):
        write_figures(stored_run, tmp_path / "a", ["svg", "jpeg"])
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file cannot be written"):
        write_figures(stored_run, tmp_path / "file", ["svg"])
    with pytest.raises(InputError, match="has no level yet"):
        write_figures(Run(RunDirectory.create(stored_run.recipe, tmp_path / "new")), tmp_path / "b")


def test_every_plot_is_part_of_the_public_interface_and_returns_its_axes():
    plots = [name for name in dir(sparsight) if name.startswith("plot_")]
    assert len(plots) == 12
    for name in plots:
        plot = getattr(sparsight, name)
        assert plot.__annotations__["ax"] == (sparsight.plot_fan_in.__annotations__["ax"]), name
        assert plot.__kwdefaults__ is not None, name


def test_the_command_writes_every_panel_in_the_format_asked_for_and_says_what_is_wrong(
    tiny_run, tmp_path, capsys
):
    run = str(tiny_run.path)
    with pytest.raises(SystemExit) as ended:
        main(["figures", run, "--format", "tiff", "--out", str(tmp_path / "a")])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "sparsight: format is tiff; svg, pdf, png are allowed\n"
    with pytest.raises(SystemExit) as ended:
        main(["figures", run, "--format", "png", "--out", str(tmp_path / "b")])
    assert not ended.value.code
    written = list((tmp_path / "b").iterdir())
    assert {path.suffix for path in written} == {".png", ".md"}
    panels = list(panels_of(Summaries(tiny_run)))
    assert {path.stem for path in written if path.suffix == ".png"} == {each.identifier for each in panels}
    captions = (tmp_path / "b" / "captions.md").read_text(encoding="utf-8")
    for panel in panels:
        assert f"`{panel.identifier}`: **{panel.title}.** {panel.caption}" in captions
