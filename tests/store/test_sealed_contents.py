"""Files that are sealed correctly and hold something else: only somebody who made them by hand has such."""

import hashlib
import json

import pytest

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.run import measure_again, run_recipe
from sparsight.store import (
    RunDirectory,
    check_run,
    identity_of,
    open_run,
    read_sealed,
    run_state,
    write_sealed,
)
from sparsight.store._crossover_file import CROSSOVERS, read_crossovers
from sparsight.store._level_record import RECORD
from sparsight.sweep._directory import SweepDirectory
from tests.run.run_digests import digests


def sealed_text(content):
    """Return a file with a digest of what Python makes of the text, which need not be valid JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps(content | {"sha256": hashlib.sha256(text.encode()).hexdigest()})


@pytest.mark.parametrize(
    "text",
    [
        '{"format_version": 2, "value": 1e999, "sha256": "0"}',
        sealed_text({"format_version": 2, "value": float("inf")}),
        sealed_text({"format_version": 2, "value": float("nan")}),
        '{"format_version": 2, "value": ' + "[" * 900 + "]" * 900 + ', "sha256": "0"}',
        '{"format_version": 2, "value": ' + "[" * 10**5 + "]" * 10**5 + ', "sha256": "0"}',
        '{"format_version": 1e999}',
        '{"format_version": true, "sha256": 7}',
        "[]",
        "7",
        "",
    ],
)
def test_what_json_cannot_hold_is_damage_and_nothing_worse(tmp_path, text):
    path = tmp_path / "page.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"page\.json is (missing or )?damaged"):
        read_sealed(path)


@pytest.mark.parametrize(
    "content",
    [
        {"cpu": "fast"},
        {"cpu": {"crossovers": [0.1]}},
        {"cpu": {"crossovers": {"12x24": "0.1"}}},
        {"cpu": {"crossovers": {"12x24": None}}},
        {"cpu": {"crossovers": {"12x24": -1.0}}},
        {"cpu": {"crossovers": {"12x24": True}}},
        {"cpu": {}},
    ],
)
def test_crossovers_that_are_none_are_reported_and_measured_again(short_recipe, short_copy, content):
    before = digests(short_copy)
    write_sealed(short_copy / CROSSOVERS, content)
    with pytest.raises(InputError, match=r"crossovers\.json is damaged"):
        read_crossovers(short_copy / CROSSOVERS)
    whole, _ = check_run(RunDirectory.open(short_copy))
    assert "crossovers.json is damaged" in " ".join(whole)
    run_recipe(short_recipe, short_copy, jobs=1)
    assert digests(short_copy) == before


def test_crossovers_that_are_some_are_read(tmp_path):
    content = {"cpu": {"crossovers": {"12x24": 0.125, "8x8": 0}, "threads": 1}}
    write_sealed(tmp_path / CROSSOVERS, content)
    assert read_crossovers(tmp_path / CROSSOVERS)["cpu"] == content["cpu"]


GOOD = {"name": "rates", "fields": ["a.b"], "cases": [{"folder": "rates-1", "values": {"a.b": 1}}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"cases": "all"},
        {"cases": [{"folder": "rates-1"}]},
        {"cases": [{"folder": "../../elsewhere", "values": {"a.b": 1}}]},
        {"cases": [{"folder": "..", "values": {"a.b": 1}}]},
        {"cases": [{"folder": "/etc", "values": {"a.b": 1}}]},
        {"cases": [{"folder": 7, "values": {"a.b": 1}}]},
        {"cases": [{"folder": "rates-1", "values": {"other": 1}}]},
        {"cases": [{"folder": "rates-1", "values": [1]}]},
        {"fields": 7},
        {"fields": ["a.b", None]},
        {"name": None},
    ],
)
def test_a_list_of_cases_that_is_none_is_refused_in_words(tmp_path, wrong):
    write_sealed(tmp_path / "sweep.json", GOOD)
    assert SweepDirectory.open(tmp_path).manifest() == GOOD
    write_sealed(tmp_path / "sweep.json", GOOD | wrong)
    with pytest.raises(InputError, match=r"sweep\.json is damaged: ") as caught:
        SweepDirectory.open(tmp_path)
    assert "\n" not in str(caught.value)


def rewrite(path, change):
    content = read_sealed(path)
    change(content)
    write_sealed(path, content)


def rename_layer(content):
    content["mask_shapes"] = {f"other.{name}": shape for name, shape in content["mask_shapes"].items()}
    content["measures"] = {f"other.{name}": found for name, found in content["measures"].items()}


def empty_curve(content):
    content["curve"] = {name: [] for name in content["curve"]}


def uneven_curve(content):
    content["curve"]["test_accuracy"] = content["curve"]["test_accuracy"][:-1] * 7


CHANGES = [rename_layer, empty_curve, uneven_curve]


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_that_contradicts_its_level_is_one_line_for_every_reader(
    short_recipe, short_copy, change, capsys
):
    rewrite(short_copy / "imp" / "replicate_000" / "level_002" / RECORD, change)
    directory = RunDirectory.open(short_copy)
    assert run_state(directory).state in ("finished", "damaged")
    for arguments in (["check"], ["status"], ["report"], ["measure"]):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, str(short_copy)])
        assert ended.value.code in (0, 1, 2)
        assert "Traceback" not in "".join(capsys.readouterr())
    with pytest.raises(InputError):
        measure_again(directory)
    with pytest.raises(InputError):
        open_run(short_copy).level("imp", 0, 2)


def test_weights_of_another_network_are_refused_by_run_and_measure(short_recipe, short_copy, tmp_path):
    """Whole, sealed, and of a wider network: as copied from another run, and given the identity of this."""
    wider = short_recipe.model_copy(
        update={"network": short_recipe.network.model_copy(update={"widths": (16,)})}
    )
    other = run_recipe(wider, tmp_path / "wider", jobs=1)
    directory = RunDirectory.open(short_copy)
    for index in range(3):
        target = directory.level("imp", 0, index)
        for file in other.level("imp", 0, index).iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        own = identity_of(short_recipe, "imp", 0)
        rewrite(target / RECORD, lambda content, own=own: content.update(identity=own))
    with pytest.raises(InputError, match="is of another network than its recipe makes"):
        measure_again(RunDirectory.open(short_copy))
    with pytest.raises(InputError, match=r"linear_0\.weight.*differ in name or shape"):
        run_recipe(short_recipe, short_copy, jobs=1)


def test_a_level_of_another_network_is_refused_by_measure_and_made_again_by_run(
    short_recipe, short_copy, tmp_path
):
    """Copied from another run as it is, with the identity that it has there."""
    before = digests(short_copy)
    wider = short_recipe.model_copy(
        update={"network": short_recipe.network.model_copy(update={"widths": (16,)})}
    )
    other = run_recipe(wider, tmp_path / "wider", jobs=1).level("imp", 0, 2)
    target = short_copy / "imp" / "replicate_000" / "level_002"
    for file in other.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="is of another network than its recipe makes"):
        measure_again(RunDirectory.open(short_copy))
    run_recipe(short_recipe, short_copy, jobs=1)
    after = digests(short_copy)
    assert {name: after[name] for name in before} == before
    assert (target.parent / "level_002.damaged").is_dir()


def test_task_facts_that_are_none_leave_status_alive(short_copy):
    for level in sorted((short_copy / "imp" / "replicate_000").glob("level_*"), reverse=True):
        (level / RECORD).unlink()
    for task in short_copy.glob("*/replicate_000/task.json"):
        write_sealed(task, {"geometry": 7, "num_classes": "many", "num_train": None})
    for level in (short_copy / "random" / "replicate_000").glob("level_*"):
        (level / RECORD).unlink()
    state = run_state(RunDirectory.open(short_copy))
    assert state.state == "damaged"
    assert "contradict" in state.problem
