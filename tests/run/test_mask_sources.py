"""Runs whose conditions take masks from each other, from another run, or from windows."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from sparsight.errors import InputError
from sparsight.prune import CompactWindows, Level, RearrangedMasks
from sparsight.recipe import Recipe, merged, parse_override, recipe_values
from sparsight.run import run_recipe
from sparsight.run._plan import plan_run
from sparsight.store import (
    RunDirectory,
    StoredMasks,
    check_run,
    identity_of,
    open_run,
    read_sealed,
    run_state,
    write_sealed,
)
from sparsight.store._level_record import RECORD
from tests import toy
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
SHORT = ("replicates=2", "measure.instruments=['locality']", "training.steps=12", "training.kernel=dense")
TICKETS = (
    'conditions.ticket.pruning.masks_from="imp"',
    'conditions.swapped.pruning={masks_from="ticket",masks_replicate_offset=1}',
    'conditions.signs.pruning={masks_from="imp",weights="signs",rewind="init",rearranged="unit"}',
    'conditions.windows.pruning={masks_from="windows"}',
)
WEIGHT = "linear_0.weight"


def recipe(*overrides, conditions=("imp",)):
    """The short recipe with these conditions, and those of the overrides, alone."""
    raw, _ = recipe_values(PLANE)
    raw["conditions"] = {name: {} for name in conditions}
    for override in (*SHORT, *overrides):
        raw = merged(raw, parse_override(override))
    return Recipe.from_values(raw, "test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("tickets") / "run"
    run_recipe(recipe(*TICKETS), path, jobs=1)
    return path


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def of_condition(run, condition):
    """Return the digests of a condition; identities, which must be its own, are left out."""
    opened = RunDirectory.open(run)
    found = {
        name.removeprefix(f"{condition}/"): digest
        for name, digest in digests(run, except_for=("identity",)).items()
        if name.startswith(f"{condition}/")
    }
    for _, number in filter(lambda unit: unit[0] == condition, opened.replicates()):
        for index in range(opened.num_levels(condition, number)):
            record = read_sealed(opened.level(condition, number, index) / RECORD)
            assert record["identity"] == identity_of(opened.recipe, condition, number)
    return found


def test_the_masks_of_a_condition_from_the_same_weights_give_that_condition_bit_for_bit(finished):
    ticket, imp = of_condition(finished, "ticket"), of_condition(finished, "imp")
    assert len(imp) == 2 * 3 * 4
    assert ticket == imp


def test_masks_of_another_seed_are_trained_on_the_own_data(finished):
    run = open_run(finished)
    for replicate in (0, 1):
        own, swapped = (run.level(name, replicate, 0) for name in ("imp", "swapped"))
        assert all(torch.equal(own.final[name], value) for name, value in swapped.final.items())
        for index in (1, 2):
            other, swapped = run.level("imp", 1 - replicate, index), run.level("swapped", replicate, index)
            assert torch.equal(swapped.masks[WEIGHT], other.masks[WEIGHT])
            assert torch.equal(swapped.next_masks[WEIGHT], other.next_masks[WEIGHT])
            assert not torch.equal(swapped.final[WEIGHT], other.final[WEIGHT])
            assert swapped.record.seed == run.recipe.replicate_seed(replicate)


def test_rearranged_masks_windows_and_other_weights_are_as_asked_for(finished):
    run = open_run(finished)
    seed = run.recipe.replicate_seed(1)
    geometry = run.recipe.condition("imp").data.build(seed).geometry
    expected = RearrangedMasks(
        source=StoredMasks(run.directory, "imp", 1), how="unit", seed=seed, geometry=geometry
    )
    pruning = run.recipe.condition("windows").pruning
    windows = CompactWindows(shapes={WEIGHT: (12, 24)}, geometry=geometry, pruning=pruning, seed=seed)
    for index in range(3):
        level = run.level("signs", 1, index)
        assert torch.equal(level.masks[WEIGHT], expected.masks(index)[WEIGHT])
        assert torch.equal(level.masks[WEIGHT].sum(1), run.level("imp", 1, index).masks[WEIGHT].sum(1))
        assert torch.equal(run.level("windows", 1, index).masks[WEIGHT], windows.masks(index)[WEIGHT])
    levels = {name: run.level(name, 1, 1) for name in ("signs", "imp")}
    assert levels["signs"].record.curve.step[-1] == levels["imp"].record.curve.step[-1] == 12


def test_status_knows_how_many_levels_come_and_check_finds_every_file_whole(finished):
    state = run_state(RunDirectory.open(finished))
    assert state.state == "finished"
    assert {each.levels_expected for each in state.replicates} == {3}
    whole, replicates = check_run(RunDirectory.open(finished))
    assert whole == []
    assert all(each.is_finished and not each.problems for each in replicates)


def test_sources_come_first(tmp_path):
    reversed_order = recipe('conditions.a.pruning.masks_from="b"', 'conditions.b.pruning.masks_from="imp"')
    waves = plan_run(reversed_order, tmp_path / "run").waves()
    assert [{group.name for group in wave} for wave in waves] == [{"imp"}, {"b"}, {"a"}]
    assert sum(map(len, waves)) == 2 * 3
    assert len(plan_run(recipe(), tmp_path / "run").waves()) == 1


def test_workers_in_other_processes_find_the_masks(finished, tmp_path):
    run_recipe(recipe(*TICKETS), tmp_path / "run", jobs=2, plugins=[Path(toy.__file__)])
    assert digests(tmp_path / "run") == digests(finished)


def test_replicates_trained_together_take_their_masks_as_well(finished, tmp_path):
    run_recipe(recipe(*TICKETS[:2]), tmp_path / "run", jobs=1, together=2)
    ours, alone = open_run(tmp_path / "run"), open_run(finished)
    assert of_condition(tmp_path / "run", "ticket") == of_condition(tmp_path / "run", "imp")
    level = ours.level("swapped", 0, 2)
    assert level.record.together == 2
    torch.testing.assert_close(level.final, alone.level("swapped", 0, 2).final, rtol=1e-4, atol=1e-5)


def test_lost_levels_come_back_bit_for_bit(finished, copied):
    for condition in ("imp", "ticket", "swapped", "signs", "windows"):
        for level in (1, 2):
            shutil.rmtree(copied / condition / "replicate_001" / f"level_{level:03d}")
    run_recipe(recipe(*TICKETS), copied, jobs=1)
    assert digests(copied) == digests(finished)


def _run_in_a_child(path):
    chosen = (TICKETS[0], TICKETS[2], "training.steps=300", "replicates=1")
    run_recipe(recipe(*chosen), path, jobs=1, checkpoint_seconds=0.02)


@pytest.mark.slow
def test_a_run_that_is_killed_in_its_second_wave_is_resumed_bit_for_bit(tmp_path):
    context = multiprocessing.get_context("forkserver")
    for name, condition in (("one", "ticket"), ("two", "signs")):
        child = context.Process(target=_run_in_a_child, args=(tmp_path / name,))
        child.start()
        while not (tmp_path / name / condition / "replicate_000" / "level_000" / "level.json").exists():
            assert child.is_alive()
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert not (tmp_path / name / condition / "replicate_000" / "level_002").exists()
        _run_in_a_child(tmp_path / name)
    _run_in_a_child(tmp_path / "whole")
    for name in ("one", "two"):
        assert digests(tmp_path / name) == digests(tmp_path / "whole")


def outside(source, *overrides, options=""):
    values = f'conditions.outside.pruning={{masks_from="{source}"{options}}}'
    return recipe(values, *overrides, conditions=())


def test_masks_of_another_run_give_that_run_bit_for_bit_and_are_recorded(finished, tmp_path):
    run_recipe(outside(f"{finished}:imp"), tmp_path / "run", jobs=1)
    assert of_condition(tmp_path / "run", "outside") == of_condition(finished, "imp")
    facts = json.loads((tmp_path / "run" / "outside" / "replicate_001" / "task.json").read_text())
    recorded = facts["masks_from"]
    assert (recorded["run"], recorded["condition"], recorded["replicate"]) == (str(finished), "imp", 1)
    assert recorded["recipe"] == open_run(finished).recipe.identity()
    assert len(set(recorded["masks"])) == recorded["num_levels"] + 1 == 4
    state = run_state(RunDirectory.open(tmp_path / "run"))
    assert {each.levels_expected for each in state.replicates} == {3}


def test_a_run_that_changed_since_is_noticed_and_one_that_moved_is_not(copied, tmp_path):
    path, ours = tmp_path / "ours", outside(f"{copied}:imp")
    run_recipe(ours, path, jobs=1)
    before = digests(path)
    last = path / "outside" / "replicate_000" / "level_002"
    shutil.rmtree(last)
    # the same place holds another run now, whose masks are others
    shutil.move(copied, tmp_path / "former")
    run_recipe(recipe("seed=8"), copied, jobs=1)
    with pytest.raises(InputError, match=r"replicate_000 was begun with masks of .*:imp, which has changed"):
        run_recipe(ours, path, jobs=1)
    assert not last.exists()
    shutil.rmtree(copied)
    shutil.move(tmp_path / "former", copied)
    run_recipe(ours, path, jobs=1)
    assert digests(path) == before


def test_masks_that_changed_without_their_recipe_are_noticed(copied, tmp_path):
    path, ours = tmp_path / "ours", outside(f"{copied}:imp")
    run_recipe(ours, path, jobs=1)
    shutil.rmtree(path / "outside" / "replicate_000" / "level_002")
    # a record of other masks, as a run has that another version computed again
    facts = path / "outside" / "replicate_000" / "task.json"
    content = json.loads(facts.read_text())
    content["masks_from"]["masks"][2] = "0" * 64
    write_sealed(facts, content)
    with pytest.raises(InputError, match=r"which has changed since \(masks differ\)"):
        run_recipe(ours, path, jobs=1)


def test_a_source_that_diverged_fails_what_depends_on_it_and_nothing_else(tmp_path):
    diverging = recipe(
        "conditions.bad.training.learning_rate=1e30",
        'conditions.on_bad.pruning.masks_from="bad"',
        'conditions.ticket.pruning.masks_from="imp"',
        "replicates=1",
    )
    run = run_recipe(diverging, tmp_path / "run", jobs=1)
    assert set(run.failures()) == {("bad", 0), ("on_bad", 0)}
    reason = run.failures()["on_bad", 0]
    assert "its masks are those of" in reason
    assert run.failures()["bad", 0] in reason
    assert run.is_finished("ticket", 0)
    assert run_state(run).state == "finished"


def unfinished(run):
    shutil.rmtree(run / "imp" / "replicate_001" / "level_002")


@pytest.mark.parametrize(
    ("damage", "condition", "overrides", "message"),
    [
        (None, "impp", [], "no condition is called 'impp'; did you mean imp"),
        (unfinished, "imp", [], "imp, replicate 1 are asked for, but it is not finished: it has 2 levels"),
        (None, "imp", ["replicates=3"], "has 2 replicates, and masks of its replicate 2 are asked for"),
        (None, "imp", ["data.num_inputs=25"], r"have shape \(12, 24\); \(12, 25\) is needed"),
        (None, "imp", ["network.widths=[13]"], r"have shape \(12, 24\); \(13, 24\) is needed"),
        (None, "imp", ["pruning.prune_output=true"], "are for linear_0.weight, but this network prunes"),
        (shutil.rmtree, "imp", [], "holds no run"),
    ],
)
def test_masks_that_are_missing_or_do_not_fit_are_told_before_anything_is_trained(
    copied, tmp_path, damage, condition, overrides, message
):
    if damage:
        damage(copied)
    with pytest.raises(InputError, match=message) as raised:
        run_recipe(outside(f"{copied}:{condition}", *overrides), tmp_path / "ours", jobs=1)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ours").exists()


def test_masks_of_another_seed_of_another_run_wrap_around_its_replicates(finished, tmp_path):
    run_recipe(outside(f"{finished}:imp", options=",masks_replicate_offset=1"), tmp_path / "run", jobs=1)
    ours, theirs = open_run(tmp_path / "run"), open_run(finished)
    for replicate in (0, 1):
        masks = theirs.level("imp", 1 - replicate, 2).masks[WEIGHT]
        assert torch.equal(ours.level("outside", replicate, 2).masks[WEIGHT], masks)


def test_data_of_another_size_are_told_before_anything_is_trained(tmp_path):
    other = recipe('conditions.t={data.num_inputs=30,pruning.masks_from="imp"}')
    with pytest.raises(InputError, match="conditions.t: its data have 30 inputs .* those of 'imp'.* 24"):
        run_recipe(other, tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_windows_that_cannot_shrink_so_far_are_told_before_anything_is_trained(tmp_path):
    tiny = recipe(
        'conditions.w.pruning={masks_from="windows",max_levels=90}',
        "conditions.w.network.widths=[1]",
    )
    with pytest.raises(InputError, match="min_density 0.02 cannot be reached"):
        run_recipe(tiny, tmp_path / "run", jobs=1)


def test_stored_masks_are_those_of_the_levels(finished):
    source = StoredMasks(RunDirectory.open(finished), "imp", 0)
    levels = [open_run(finished).level("imp", 0, index) for index in range(3)]
    assert source.num_levels == 3
    for index, level in enumerate(levels):
        assert torch.equal(source.masks(index)[WEIGHT], level.masks[WEIGHT])
    assert torch.equal(source.masks(3)[WEIGHT], levels[-1].next_masks[WEIGHT])
    assert not isinstance(levels[0], Level)
