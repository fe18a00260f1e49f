"""Plugins: stored with the run, not needed to read it, and noticed when they have changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from sparsight.cli import main
from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.figures import own_quantities
from sparsight.figures._own_quantities import _is_shipped
from sparsight.instruments import INSTRUMENTS, NETWORK_INSTRUMENTS
from sparsight.prune import CRITERIA
from sparsight.recipe import load_recipe
from sparsight.report._panels import curve_panels
from sparsight.report._subjects import Summaries
from sparsight.run import _plugins, check_same_code, load_plugins, measure_again, run_recipe
from sparsight.store import RunDirectory, check_run, open_run, write_sealed
from sparsight.store._own_code import read_own_code

WHOLE = """
from sparsight.instruments import network_instrument

@network_instrument("kept-number")
def kept_number(observation):
    return {"total": Quantity(float(sum(mask.sum() for mask in observation.masks.values())), (), "kept")}
"""
REGISTRIES = (CRITERIA, INSTRUMENTS, NETWORK_INSTRUMENTS, SOURCES)
PLUGIN = """
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight import Geometry, Task, criterion, data_source, instrument
from sparsight.instruments import Quantity


@criterion("own-rule")
def own_rule(trained):
    return {name: weight.abs() for name, weight in trained.parameters().items()}


@instrument("signs", uses_twin=False)
def signs(observation):
    positive = float((observation.weight > 0)[observation.mask].mean())
    return {
        "positive": Quantity(positive, (), "share of kept weights above 0"),
        "by_unit": Quantity((observation.weight > 0).mean(1), ("unit",), "share of weights above 0"),
    }


@data_source("own-data")
def own_data(*, scale: Annotated[float, Field(gt=0)] = 1.0, tags: list[str] = ["a"], seed: int) -> Task:
    tags.append("changed in place")
    stream = np.random.default_rng(seed)
    labels = np.arange(60) % 2
    inputs = (scale * stream.normal(size=(60, 1, 6)) + labels[:, None, None]).astype(np.float32)
    return Task(
        name="own", geometry=Geometry(1, (6,)), num_classes=2, train_inputs=inputs, train_labels=labels,
        test_inputs=inputs, test_labels=labels,
    )
"""
RECIPE = """
replicates = 1
data = {source = "own-data", scale = 2}
network.widths = [4]
training = {steps = 4, batch_size = 10, learning_rate = 0.1}
pruning = {criterion = "own-rule", max_levels = 2}
measure.instruments = ["signs"]
"""


def forget():
    """Forget every plugin, as a new process has."""
    for registry in REGISTRIES:
        for name in [name for name in registry if name in ("own-rule", "signs", "own-data", "kept-number")]:
            del registry[name]
            registry._files.pop(name, None)
    _plugins._loaded.clear()
    for name in [name for name in sys.modules if name.startswith("sparsight_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "own.toml").write_text(RECIPE)
    forget()
    yield tmp_path
    forget()


def run(*overrides, **options):
    plugin = Path("mine.py")
    load_plugins([plugin])
    run_recipe(load_recipe("own.toml", overrides), Path("runs/own"), jobs=1, plugins=[plugin], **options)


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def cut():
    """Take the last level away, so that the run has something left to do."""
    import shutil

    shutil.rmtree("runs/own/base/replicate_000/level_002")


def test_a_run_keeps_source_and_digest_of_what_it_used(workplace):
    run()
    directory = RunDirectory.open("runs/own")
    own = directory.own_code()
    assert set(own) == {"criterion own-rule", "instrument signs", "data source own-data"}
    for facts in own.values():
        assert (directory.path / facts.folder / "mine.py").read_text() == PLUGIN
    for record in directory.records("base", 0):
        assert record.own_code == {name: facts.sha256 for name, facts in own.items()}
    assert check_run(directory)[0] == []


def test_reading_a_run_needs_no_plugin(workplace, capsys):
    run()
    digest = open_run("runs/own").recipe.digest()
    forget()
    opened = open_run("runs/own")
    assert opened.recipe.digest() == digest
    assert opened.recipe.condition("base").data.model_extra == {"scale": 2.0, "tags": ["a"]}
    assert opened.recipe.model_copy(update={"replicates": 2}).condition("base")
    assert "signs.by_unit" in opened.dataset()
    assert "signs.positive" in set(opened.frame()["quantity"])
    status, output, _ = call(capsys, "status")
    assert status == 0
    assert "own" in output
    for command in (["check"], ["figures", "--format", "png"], ["report"]):
        status, output, errors = call(capsys, command[0], "runs/own", *command[1:])
        assert (status, errors) == (0, ""), (command, output)
    status, output, _ = call(capsys, "export", "runs/own", "--format", "hub", "--out", "hub")
    assert status == 0


def test_options_that_a_condition_gives_to_an_own_source_are_known_without_it(workplace):
    Path("own.toml").write_text(RECIPE + "[conditions.plain]\n[conditions.other]\ndata.scale = 3\n")
    load_plugins([Path("mine.py")])
    recipe = load_recipe("own.toml")
    directory = RunDirectory.create(recipe, Path("runs/own"))
    assert directory.recipe.digest() == RunDirectory.create(recipe, Path("runs/own")).recipe.digest()
    forget()
    opened = open_run("runs/own").recipe
    assert opened.condition("other").data.model_extra == {"scale": 3.0, "tags": ["a"]}
    assert (opened.digest(), opened.identity()) == (recipe.digest(), recipe.identity())


def test_status_lists_the_others_if_one_cannot_be_read(workplace, capsys):
    run()
    Path("runs/broken").mkdir()
    Path("runs/broken/recipe.toml").write_text("name = [")
    status, output, _ = call(capsys, "status")
    assert status == 1
    assert "runs/own" in output
    assert "not listed: runs/broken/recipe.toml is not valid TOML" in output


def test_own_instruments_are_shown_by_themselves(workplace, capsys):
    run()
    forget()
    opened = open_run("runs/own")
    (words,) = own_quantities(opened)
    assert (words.name, words.caption) == ("signs.positive", "Share of kept weights above 0.")
    panels = {panel.name: panel for panel in curve_panels(Summaries(opened), "linear_0")}
    frame = opened.frame()
    expected = frame[frame.quantity == "signs.positive"].value
    drawn = panels["linear_0-signs.positive"].ax.lines[0].get_ydata()
    assert sorted(drawn) == pytest.approx(sorted(expected))
    _, output, _ = call(capsys, "report", "runs/own", "--levels")
    assert "positive" in output
    page = Path("runs/own/report.html").read_text()
    assert '<th scope="col">positive</th>' in page
    assert "Share of kept weights above 0." in page


def test_an_instrument_may_have_the_name_of_what_only_studies_compute():
    assert [_is_shipped(name) for name in ("ensemble", "bandit", "rules", "one_neuron")] == [False] * 4
    assert all(_is_shipped(name) for name in (*INSTRUMENTS, *NETWORK_INSTRUMENTS))


@pytest.mark.parametrize("arguments", [["show", "runs/own"], ["show", "runs/own", "--levels"], ["status"]])
def test_own_instruments_are_shown_without_importing_the_others(workplace, arguments):
    run()
    code = (
        "import sys; from sparsight.cli._app import app; "
        f"app({arguments!r}, result_action='return_value'); "
        "assert not {'torch', 'matplotlib', 'numba', 'sparsight.instruments._registry'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "own" in answer.stdout
    assert arguments[0] == "status" or "positive" in answer.stdout


@pytest.mark.parametrize("command", ["run", "measure"])
def test_without_the_plugin_it_is_named_with_the_copy(workplace, command):
    run()
    cut()
    recipe = load_recipe("own.toml")
    forget()
    kept = RunDirectory.open("runs/own").own_code()["data source own-data"].folder
    directory = RunDirectory.open("runs/own")
    again = {
        "run": lambda: check_same_code(directory),  # which a worker calls first
        "measure": lambda: measure_again(directory),
    }
    with pytest.raises(InputError, match=f"data source own-data.*--plugin FILE.*{kept}"):
        again[command]()
    assert recipe.digest() == RunDirectory.open("runs/own").recipe.digest()


@pytest.mark.parametrize(
    "change", [("weight.abs()", "-weight.abs()"), ("> 0)[obs", "< 0)[obs"), ("share of kept", "part of kept")]
)
def test_a_changed_plugin_is_refused_unless_accepted(workplace, change, caplog):
    run()
    cut()
    before = RunDirectory.open("runs/own").own_code()
    forget()
    Path("mine.py").write_text(PLUGIN.replace(*change))
    with pytest.raises(InputError, match="criterion own-rule was [0-9a-f]{12} and is [0-9a-f]{12}"):
        run()
    assert RunDirectory.open("runs/own").own_code() == before
    assert RunDirectory.open("runs/own").num_levels("base", 0) == 2
    run(accept_changes=True)
    assert "goes on with another source of" in caplog.text
    directory = RunDirectory.open("runs/own")
    name = "criterion own-rule"
    digests = [record.own_code[name] for record in directory.records("base", 0)]
    assert digests == [before[name].sha256] * 2 + [directory.own_code()[name].sha256]
    assert len(list(Path("runs/own/own_code").iterdir())) == 2  # the former source stays
    assert check_run(directory)[0] == []


def test_so_is_a_file_that_the_plugin_imports(workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(workplace))
    Path("rules.py").write_text("from rules_inside import SIGN\n")
    Path("rules_inside.py").write_text("SIGN = 1\n")
    Path("mine.py").write_text(PLUGIN + "\nfrom rules import SIGN\n")
    run()
    assert set(RunDirectory.open("runs/own").own_code()["criterion own-rule"].files) == {
        "mine.py", "rules.py", "rules_inside.py",
    }  # fmt: skip
    cut()
    forget()
    Path("rules_inside.py").write_text("SIGN = -1\n")
    with pytest.raises(InputError, match="source of own functions has changed"):
        run()


def test_an_own_instrument_of_the_whole_network_is_kept_and_noticed_as_well(workplace):
    both = "measure.instruments=['signs','kept-number']"
    Path("mine.py").write_text(PLUGIN + WHOLE)
    run(both)
    directory = RunDirectory.open("runs/own")
    assert "instrument of the whole network kept-number" in directory.own_code()
    forget()
    frame = open_run("runs/own").frame()
    totals = frame[frame.quantity == "kept-number.total"]
    assert set(totals.layer) == {"network"}
    assert totals.value.tolist() == [record.num_kept for record in directory.records("base", 0)]
    cut()
    Path("mine.py").write_text(PLUGIN + WHOLE.replace("(mask.sum()", "(-mask.sum()"))
    with pytest.raises(InputError, match="source of own functions has changed"):
        run(both)


def test_a_plugin_under_another_name_is_the_same_only_with_the_same_content(workplace):
    run()
    cut()
    forget()
    Path("elsewhere").mkdir()
    Path("elsewhere/mine.py").write_text(PLUGIN)
    load_plugins([Path("elsewhere/mine.py")])
    run_recipe(load_recipe("own.toml"), Path("runs/own"), jobs=1)
    assert RunDirectory.open("runs/own").num_levels("base", 0) == 3


def test_measuring_with_a_mended_instrument_is_recorded_with_every_level(workplace):
    run()
    before = [record.own_code for record in RunDirectory.open("runs/own").records("base", 0)]
    forget()
    Path("mine.py").write_text(PLUGIN.replace("> 0)[obs", "< 0)[obs"))
    load_plugins([Path("mine.py")])
    measure_again(RunDirectory.open("runs/own"))
    after = [record.own_code for record in RunDirectory.open("runs/own").records("base", 0)]
    for old, new in zip(before, after, strict=True):
        assert {name for name in old if old[name] != new[name]} == {"instrument signs"}


def test_a_damaged_list_is_told_and_the_levels_still_know(workplace):
    run()
    cut()
    listed = Path("runs/own/own_code.json")
    listed.write_text("{")
    assert str(listed) in check_run(RunDirectory.open("runs/own"))[0][0]
    forget()
    Path("mine.py").write_text(PLUGIN.replace("weight.abs()", "-weight.abs()"))
    with pytest.raises(InputError, match="criterion own-rule was"):
        run()
    forget()
    Path("mine.py").write_text(PLUGIN)
    run()
    assert check_run(RunDirectory.open("runs/own"))[0] == []


@pytest.mark.parametrize(
    "hostile",
    [
        {"functions": []},
        {"functions": {"criterion x": {"folder": "own_code/../..", "files": {"a": "b"}, "sha256": None}}},
        {"functions": {"criterion x": {"folder": "/etc", "files": {"passwd": "b"}, "sha256": None}}},
        {"functions": {"criterion x": {"folder": None, "files": {"task.json": "b"}, "sha256": None}}},
        {},
    ],
)
def test_a_list_from_somebody_else_names_nothing_outside(workplace, hostile):
    Path("runs").mkdir()
    write_sealed(Path("runs/own_code.json"), hostile)
    with pytest.raises(InputError, match="own_code.json is damaged"):
        read_own_code(Path("runs/own_code.json"))


def test_a_damaged_copy_is_told(workplace):
    run()
    (copy,) = Path("runs/own/own_code").glob("*/mine.py")
    copy.write_text(PLUGIN + "#")
    assert check_run(RunDirectory.open("runs/own"))[0] == [
        f"{copy} is damaged: it is not the source that the run was made with"
    ]
    copy.unlink()
    assert "is missing" in check_run(RunDirectory.open("runs/own"))[0][0]


def test_two_files_of_one_name_are_two_plugins(workplace):
    for name in ("first", "second"):
        Path(name).mkdir()
        Path(name, "mine.py").write_text(
            f"from sparsight import criterion\n@criterion('{name}-rule')\ndef rule(trained): return {{}}\n"
        )
    load_plugins([Path("first/mine.py"), Path("second/mine.py")])
    load_plugins([Path("first/mine.py"), Path("second/../second/mine.py")])
    for name in ("first-rule", "second-rule"):
        assert CRITERIA.file_of(name) == workplace / name.partition("-")[0] / "mine.py"
        del CRITERIA[name]


def test_a_plugin_that_changed_within_a_process_is_refused(workplace):
    load_plugins([Path("mine.py")])
    Path("mine.py").write_text(PLUGIN + "#")
    with pytest.raises(InputError, match="has changed since this process executed it"):
        load_plugins([Path("mine.py")])


@pytest.mark.parametrize(
    "end", ["1 / 0", "raise SystemExit(0)", "import absent_module", "criterion('magnitude')(1)"]
)
def test_a_plugin_that_failed_can_be_mended(workplace, end):
    Path("mine.py").write_text(f"{PLUGIN}\n{end}\n")
    with pytest.raises(InputError, match=r"plugin mine.py failed: "):
        load_plugins([Path("mine.py")])
    Path("mine.py").write_text(PLUGIN)
    load_plugins([Path("mine.py")])
    assert "own-rule" in CRITERIA


def test_a_source_cannot_change_the_recipe_it_is_given(workplace):
    load_plugins([Path("mine.py")])
    recipe = load_recipe("own.toml")
    before = recipe.digest()
    recipe.condition("base").data.build(0)
    recipe.condition("base").data.build(0)
    assert recipe.digest() == before
    assert recipe.condition("base").data.model_extra["tags"] == ["a"]


def test_a_source_that_reuses_its_array_does_not_change_an_earlier_task(workplace):
    Path("mine.py").write_text(
        PLUGIN.replace("    return Task(", "    KEPT[:], inputs = inputs, KEPT\n    return Task(")
        + "\nKEPT = np.zeros((60, 1, 6), np.float32)\n"
    )
    load_plugins([Path("mine.py")])
    data = load_recipe("own.toml").condition("base").data
    first = data.build(0)
    before = first.train_inputs.copy()
    assert (data.build(1).train_inputs != before).any()
    assert (first.train_inputs == before).all()


def test_data_of_a_plugin_are_described(workplace, capsys):
    status, output, _ = call(capsys, "data", "own-data", "--plugin", "mine.py", "--set", "scale=3")
    assert status == 0
    assert "60" in output


@pytest.mark.slow
def test_the_command_line_resumes_with_the_plugin_alone(workplace):
    command = [sys.executable, "-m", "sparsight.cli", "run", "own.toml", "--out", "runs/own", "--jobs", "2"]
    subprocess.run([*command, "--plugin", "mine.py"], check=True, capture_output=True)
    cut()
    Path("mine.py").write_text(PLUGIN.replace("weight.abs()", "-weight.abs()"))
    refused = subprocess.run([*command, "--plugin", "mine.py"], check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "choose another --out, or go on with --accept-changes" in refused.stderr
    assert "Traceback" not in refused.stderr
    listed = subprocess.run([*command[:3], "status"], check=False, capture_output=True, text=True)
    assert (listed.returncode, listed.stderr) == (0, "")
