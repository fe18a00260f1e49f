"""Replicates of a condition trained as one program: grouped, stored, stopped, resumed and recorded."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sparsight.errors import InputError, UnfinishedError
from sparsight.recipe import load_recipe
from sparsight.run import Size, run_recipe
from sparsight.run._plan import grouped, num_together, plan_run
from sparsight.store import CHECKPOINT, open_run
from sparsight.store._progress_file import PROGRESS
from tests import toy
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
GIB = 2**30
NUM = 3


def recipe(*overrides):
    short = (f"replicates={NUM}", "measure.instruments=['locality']", "measure.num_samples=40")
    return load_recipe(PLANE, (*short, *overrides))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("together") / "run"
    run_recipe(recipe(), path, jobs=1, together=NUM)
    return path


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_it_is_the_run_of_each_alone_up_to_rounding_and_says_what_it_is(finished, tmp_path):
    run_recipe(recipe(), tmp_path / "alone", jobs=1)
    ours, alone = open_run(finished), open_run(tmp_path / "alone")
    for unit in ours.directory.replicates():
        for index in range(3):
            mine, other = ours.level(*unit, index), alone.level(*unit, index)
            assert (mine.record.together, other.record.together) == (NUM, 1)
            assert not mine.record.cuda_graph
            assert mine.record.train_seconds > 0
            torch.testing.assert_close(mine.final, other.final, rtol=1e-4, atol=1e-5)
            for name, mask in mine.masks.items():
                assert torch.equal(mask, other.masks[name])
    placement = json.loads((finished / "placement.json").read_text())
    assert placement["together"] == {"imp": NUM, "random": NUM}
    assert not list(finished.rglob(PROGRESS))


def test_running_again_changes_nothing(copied):
    before = digests(copied)
    run_recipe(recipe(), copied, jobs=1, together=NUM)
    assert digests(copied) == before


@pytest.mark.parametrize("moment", [1, 4, 5, 6, 30, 31, 50])
def test_a_stop_saves_every_replicate_and_the_rest_is_bit_for_bit_the_same(
    finished, tmp_path, monkeypatch, moment
):
    calls = []

    def is_stop_requested(_request):
        calls.append(None)
        return len(calls) >= moment

    with monkeypatch.context() as patch:
        patch.setattr("sparsight.run._step_watch.is_stop_requested", is_stop_requested)
        stored = (moment - 1) // 30  # a look after each step, of which a level has 30
        with pytest.raises(UnfinishedError, match=f"imp, replicate 0 has {stored} levels"):
            run_recipe(recipe(), tmp_path / "run", jobs=1, together=NUM)
    for condition in ("imp", "random"):
        assert len(list((tmp_path / "run" / condition).glob(f"replicate_*/{CHECKPOINT}"))) == NUM
    run_recipe(recipe(), tmp_path / "run", jobs=1, together=NUM)
    assert digests(tmp_path / "run") == digests(finished)


@pytest.mark.parametrize("lost", [{0: 1}, {1: 2, 2: 0}, {0: 0, 1: 1, 2: 2}])
def test_levels_lost_by_some_are_computed_again_bit_for_bit(copied, lost):
    before = digests(copied)
    for replicate, first in lost.items():
        for level in range(first, 3):
            shutil.rmtree(copied / "imp" / f"replicate_{replicate:03d}" / f"level_{level:03d}")
    run_recipe(recipe(), copied, jobs=1, together=NUM)
    assert digests(copied) == before


def test_a_damaged_level_of_one_is_set_aside_and_made_again(copied):
    before = digests(copied)
    weights = copied / "imp" / "replicate_001" / "level_001" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    run_recipe(recipe(), copied, jobs=1, together=NUM)
    after = digests(copied)
    assert {name: after[name] for name in before} == before


def test_groups_smaller_than_the_condition(tmp_path):
    run_recipe(recipe(), tmp_path / "run", jobs=2, together=2, plugins=[Path(toy.__file__)])
    opened = open_run(tmp_path / "run")
    assert [opened.level("imp", replicate, 2).record.together for replicate in range(3)] == [2, 2, 1]


def test_diverged_replicates_are_missing_and_the_others_go_on(tmp_path):
    diverging = recipe("conditions.random.training.learning_rate=1e30", "training.loss=mse")
    directory = run_recipe(diverging, tmp_path / "run", jobs=1, together=NUM)
    assert set(directory.failures()) == {("random", replicate) for replicate in range(NUM)}
    assert "lower training.learning_rate" in directory.failures()["random", 2]
    assert [directory.num_levels("imp", replicate) for replicate in range(NUM)] == [3] * NUM


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (["training.kernel=csr"], {"together": 2}, "training.kernel is 'csr'.*choose 'auto' or 'dense'"),
        ([], {"together": 0}, "together is 0; 1 .* or more are allowed"),
        (
            [],
            {"cuda_graph": True},
            "cuda_graph is for device = 'cuda', but the network is on 'cpu': leave it",
        ),
    ],
)
def test_what_does_not_go_with_the_recipe_is_refused_before_anything_is_written(
    tmp_path, overrides, options, message
):
    with pytest.raises(InputError, match=message):
        run_recipe(recipe(*overrides), tmp_path / "run", jobs=1, **options)
    assert not (tmp_path / "run").exists()


def test_how_many_fit_is_for_a_gpu_to_say_and_for_a_cpu_to_be_asked():
    size = Size(10_000, GIB, GIB // 100)
    room = {"memory": 64 * GIB, "device_memory": GIB}
    on_gpu, on_cpu = map(recipe("conditions.imp.device=cuda").condition, ("imp", "random"))
    assert num_together(on_gpu, size, **room) == 50
    assert num_together(on_gpu, size, memory=8 * GIB, device_memory=80 * GIB) == 8
    assert num_together(on_gpu, size, memory=GIB // 2, device_memory=1) == 1
    assert num_together(on_cpu, size, **room) == 1
    sparse = recipe("device=cuda", "training.kernel=csr").condition("imp")
    assert num_together(sparse, size) == 1


@pytest.mark.parametrize(("asked", "number"), [(None, 1), (2, 2), (99, NUM)])
def test_the_plan_takes_what_is_asked_for_but_no_more_than_there_are(asked, number):
    plan = plan_run(recipe(), together=asked)
    assert plan.placement.together == {"imp": number, "random": number}
    assert {len(group.replicates) for group in plan.groups[:2]} == {number}
    assert [group.condition for group in plan.groups[:2]] == [
        plan.recipe.condition("imp"),
        plan.recipe.condition("random"),
    ]


def test_every_replicate_is_in_one_group():
    conditions = {name: recipe().condition(name) for name in ("imp", "random")}
    groups = grouped(conditions, {"imp": 2, "random": 1}, 5)
    assert [(group.name, group.replicates) for group in groups[:4]] == [
        ("imp", (0, 1)),
        ("random", (0,)),
        ("random", (1,)),
        ("imp", (2, 3)),
    ]
    for number in range(1, 7):
        groups = grouped(conditions, {"imp": number, "random": 5}, 5)
        for condition in ("imp", "random"):
            found = [
                replicate for group in groups if group.name == condition for replicate in group.replicates
            ]
            assert found == list(range(5))


def test_the_size_of_several_counts_the_process_once():
    one = Size(10, 2 * GIB, 7)
    assert one.times(1) == one
    several = one.times(4)
    assert (several.num_weights, several.num_device_bytes) == (40, 28)
    assert 2 * GIB < several.num_bytes < 4 * one.num_bytes
    fitting = one.num_fitting(64 * GIB, 10**9)
    assert one.times(fitting).num_bytes <= 32 * GIB < one.times(fitting + 1).num_bytes
