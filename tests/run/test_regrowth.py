"""Runs whose masks change within a level: what is stored, resumed, checked, measured again, and taken."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from sparsight.atomic import sha256_of
from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.recipe import Recipe, merged, parse_override, recipe_values
from sparsight.run import measure_again, run_recipe
from sparsight.run._plan import plan_run
from sparsight.store import check_run, open_run, read_sealed, write_sealed
from sparsight.store._level_files import MASKS
from sparsight.store._level_record import RECORD
from tests.run.run_digests import digests
from tests.run.stopping import run_with_stops

SMALL = [
    "replicates=1", "data.num_train=120", "data.num_test=60", "data.size=[48]", "network.widths=[9,6]",
    "training.steps=12", "training.batch_size=30", "training.kernel=dense", "training.evaluations=2",
    "pruning.min_density=0.4", "pruning.rate=0.5", 'pruning.rewind="init"', "measure.num_samples=40",
    'pruning.criterion="random"', 'pruning.schedule="one_shot"', 'pruning.distribution="erk"',
    'measure.instruments=["initialisation","cavity","stability","tangent","criticality"]',
]  # fmt: skip
OFTEN = "update_every=2,update_fraction=0.5"
CONDITIONS = (
    "conditions.static={}",
    f"conditions.set={{pruning={{regrowth='random',{OFTEN}}}}}",
    f"conditions.rigl={{pruning={{regrowth='gradient',{OFTEN}}}}}",
    "conditions.ticket={pruning={masks_from='rigl'}}",
)
NAME, LAYER = "linear_0.weight", "linear_0"


def recipe(*overrides, conditions=CONDITIONS):
    """The small recipe with these conditions alone."""
    raw, _ = recipe_values("nlgp-1d")
    raw["conditions"] = {}
    for override in (*SMALL, *conditions, *overrides):
        raw = merged(raw, parse_override(override))
    return Recipe.from_values(raw, "test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_recipe(recipe(), tmp_path_factory.mktemp("regrowth") / "run", jobs=1).path


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("condition", ["set", "rigl"])
def test_a_level_has_the_masks_of_both_its_ends(finished, condition):
    run = open_run(finished)
    static, level = (run.level(name, 0, 1) for name in ("static", condition))
    assert static.initial_masks is None
    assert torch.equal(level.initial_masks[NAME], static.masks[NAME])
    assert not torch.equal(level.masks[NAME], static.masks[NAME])
    assert level.masks[NAME].sum() == static.masks[NAME].sum()
    assert level.final[NAME].any()
    assert not level.final[NAME][~level.masks[NAME]].any()
    assert torch.equal(*(run.level(name, 0, 0).final[NAME] for name in ("static", condition)))
    whole, replicates = check_run(run.directory)
    assert whole == []
    assert all(each.is_finished and not each.problems for each in replicates)


def test_instruments_see_the_last_masks_and_no_weights_of_before(finished):
    run = open_run(finished)
    for condition in ("set", "rigl", "ticket"):
        level = run.level(condition, 0, 1)
        found = run.measures(condition, 0, 1)
        effects = np.asarray(found[LAYER]["cavity.delta_kurtosis"].value)
        assert not effects[~level.masks[NAME].numpy()].any()
        # The mask of `ticket` was there from the beginning.
        knows = condition == "ticket"
        assert ("initialisation.distance_travelled" in found[LAYER]) == knows
        assert ("tangent.cosine_to_trained" in found[NETWORK]) == knows
        assert ("criticality.distance_measured_initial" in found[NETWORK]) == knows
        assert "criticality.distance_measured_trained" in found[NETWORK]
        assert np.isfinite(found[NETWORK]["stability.error_barrier"].value)
        assert "initialisation.distance_travelled" in run.measures(condition, 0, 0)[LAYER]


def test_found_masks_are_trained_from_the_start(finished):
    run = open_run(finished)
    rigl, ticket = (run.level(name, 0, 1) for name in ("rigl", "ticket"))
    assert torch.equal(ticket.masks[NAME], rigl.masks[NAME])
    assert ticket.initial_masks is None
    assert not torch.equal(ticket.final[NAME], rigl.final[NAME])


def test_the_cavity_after_retraining_is_of_weights_that_are_there_at_both_levels(finished):
    run = open_run(finished)
    before, after = (run.level("rigl", 0, index) for index in range(2))
    change = run.cavity_after_retraining("rigl", 0, 0).delta_kurtosis
    both = (before.next_masks[NAME] & after.masks[NAME]).numpy()
    assert np.isnan(change[~both]).all()
    assert np.isfinite(change[both]).any()
    assert after.masks[NAME].sum() > both.sum()


def test_a_run_stopped_again_and_again_ends_as_if_undisturbed(tmp_path, monkeypatch):
    several = (
        "pruning.schedule='iterative'",
        "pruning.max_levels=2",
        "measure.instruments=['locality']",
        "network.widths=[9, 7]",
        "replicates=2",
    )
    chosen = recipe(*several, conditions=CONDITIONS[1:3])
    run_recipe(chosen, tmp_path / "whole", jobs=1)
    assert run_with_stops(monkeypatch, chosen, tmp_path / "run", every=7) > 100
    assert digests(tmp_path / "run") == digests(tmp_path / "whole")


def test_measuring_again_gives_the_same(finished, copied):
    measure_again(open_run(copied).directory)
    assert digests(copied) == digests(finished)


def test_a_level_that_began_with_other_masks_than_were_left_is_noticed(copied):
    """Sealed correctly, as somebody can do who edits a run."""
    directory = open_run(copied).directory
    folder = directory.level("rigl", 0, 1)
    arrays = load_file(folder / MASKS)
    arrays[f"initial_masks/{NAME}"] = arrays[f"masks/{NAME}"]
    save_file(arrays, folder / MASKS)
    record = read_sealed(folder / RECORD)
    record["files"][MASKS] = sha256_of(folder / MASKS)
    write_sealed(
        folder / RECORD, {key: value for key, value in record.items() if key != "sha256"}, inside=copied
    )
    problems = [line for each in check_run(directory)[1] for line in each.problems]
    assert any("trained with other masks than level 0 left" in line for line in problems), problems


def test_what_cannot_be_is_refused_before_anything_is_trained(finished, tmp_path):
    several = "conditions.rigl.pruning.schedule='iterative'"
    for given, message in (
        (
            [several],
            "conditions.ticket: pruning.masks_from is 'rigl', whose pruning.regrowth is 'gradient' at",
        ),
        (["conditions.set.measure.at_steps=[0,3]"], r"measure.at_steps is \[0, 3\], but pruning.regrowth"),
        (
            ["conditions.set.pruning.update_every=9"],
            "update_every is 9, but masks stay from step 9 of a level",
        ),
        (["conditions.set.pruning.granularity='unit'"], "granularity is 'unit', but regrowth = 'random'"),
    ):
        with pytest.raises(InputError, match=message):
            plan_run(recipe(*given), tmp_path / "run")
    with pytest.raises(InputError, match="networks trained together keep their masks"):
        plan_run(recipe(), tmp_path / "run", together=2)
    assert not (tmp_path / "run").exists()


def test_masks_of_another_run_are_refused_where_they_come_back(tmp_path):
    several = (
        "pruning.schedule='iterative'",
        "pruning.max_levels=2",
        "measure.instruments=[]",
    )
    run_recipe(recipe(*several, conditions=CONDITIONS[1:2]), tmp_path / "other", jobs=1)
    takes = (f"conditions.taker={{pruning={{masks_from='{tmp_path}/other:set'}}}}",)
    with pytest.raises(InputError, match="whose pruning.regrowth is 'random' at several levels"):
        plan_run(recipe(*several, conditions=takes), tmp_path / "run")


def test_an_override_without_regrowth_needs_no_more_than_to_say_so():
    given = (
        "pruning.regrowth='random'",
        "pruning.update_every=2",
        "conditions.static.pruning.regrowth='none'",
    )
    chosen = recipe(*given)
    assert chosen.condition("static").pruning.regrowth == "none"
    assert chosen.condition("static") == recipe().condition("static")
    assert chosen.condition("ticket") == recipe().condition("ticket")


def test_levels_whose_masks_changed_have_a_format_that_older_versions_refuse(finished, copied):
    opened = open_run(finished)
    formats = {
        (name, level): read_sealed(opened.directory.level(name, 0, level) / RECORD)["format_version"]
        for name in ("rigl", "static")
        for level in range(2)
    }
    assert formats == {("rigl", 0): 2, ("rigl", 1): 3, ("static", 0): 2, ("static", 1): 2}
    measure_again(open_run(copied).directory, ["locality"])
    again = open_run(copied)
    assert read_sealed(again.directory.level("rigl", 0, 1) / RECORD)["format_version"] == 3
