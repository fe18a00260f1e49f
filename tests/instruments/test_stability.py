"""The instrument `stability` in runs: what it stores is what is on the line between two copies."""

import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.instruments import (
    INSTRUMENTS,
    NETWORK,
    NetworkObservation,
    instrument,
    measure_network,
    network_instrument,
)
from sparsight.instruments._stability import measure_stability
from sparsight.prune import PruningSettings, imp, trained_again
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import open_run
from sparsight.streams import derived_seed
from sparsight.train import TrainingSettings, connect
from tests.short_runs import PLANE
from tests.toy import linear_task, small_network

SMALL = (
    "replicates=1", "training.steps=12", "measure.instruments=['locality','stability']",
    'conditions.fresh.pruning={masks_from="imp",weights="fresh",rewind="init"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("stability") / "run"
    run_recipe(load_recipe(PLANE, SMALL), path, jobs=1)
    return open_run(path)


def numbers(run, condition, index):
    return run.measures(condition, 0, index)[NETWORK]


def test_stored_numbers_are_those_of_two_copies_trained_by_hand(run):
    condition, seed = run.recipe.condition("imp"), run.recipe.replicate_seed(0)
    task = condition.data.build(seed)
    network = small_network(task, batch_norm="hidden")
    network.load_state_dict(run.level("imp", 0, 0).initial)
    for level in imp(network, task, condition.training, condition.pruning, seed=seed):
        copies = [
            trained_again(
                level, task, condition.training, condition.pruning,
                seed=derived_seed(seed, "stability", number),
            )
            for number in (0, 1)
        ]  # fmt: skip
        path = connect(*copies, task)
        found = numbers(run, "imp", level.index)
        np.testing.assert_array_equal(found["stability.loss"].value, path.loss)
        np.testing.assert_array_equal(found["stability.accuracy"].value, path.accuracy)
        assert found["stability.loss_barrier"].value == path.loss_barrier
        assert found["stability.error_barrier"].value == path.error_barrier
        assert not torch.equal(copies[0].linear_0.weight, copies[1].linear_0.weight)


@pytest.mark.parametrize("condition", ["imp", "random", "fresh"])
def test_measuring_again_gives_the_same_and_other_instruments_leave_it(run, condition):
    before = [numbers(run, condition, index) for index in range(3)]
    for instruments in (["stability"], ["locality"]):
        measure_again(run.directory, instruments)
        for index, measured in enumerate(before):
            again = numbers(run, condition, index)
            assert again.keys() == measured.keys()
            for name, quantity in measured.items():
                np.testing.assert_array_equal(again[name].value, quantity.value)


def test_the_frame_has_it_for_the_whole_network_and_no_layer_is_called_so(run):
    frame = run.frame()
    rows = frame[frame["quantity"] == "stability.error_barrier"]
    assert set(rows["layer"]) == {NETWORK}
    assert len(rows) == 9
    assert run.layers() == ["linear_0"]
    assert "stability.error_barrier" not in run.dataset()


def test_the_dense_networks_of_all_conditions_share_their_copies(run):
    dense = [numbers(run, condition, 0)["stability.loss"].value for condition in ("imp", "random")]
    np.testing.assert_array_equal(*dense)


def test_copies_that_diverge_leave_it_undefined_and_lose_nothing():
    task = linear_task()
    settings = PruningSettings(max_levels=0)
    training = TrainingSettings(steps=5, batch_size=32, learning_rate=0.1)
    level = next(imp(small_network(task), task, training, settings))
    diverging = training.model_copy(update={"learning_rate": 1e30})
    observation = NetworkObservation(
        level=level, task=task, num_samples=50, loss="cross_entropy", training=diverging, pruning=settings
    )
    found = measure_stability(observation)
    assert found["loss"].value.shape == (11,)
    assert all(np.isnan(quantity.value).all() for quantity in found.values())


def test_where_nobody_knows_the_training_it_says_so_before_others_measure(monkeypatch):
    task = linear_task()
    monkeypatch.setitem(INSTRUMENTS, "locality", lambda observation: pytest.fail("measured in vain"))
    with pytest.raises(InputError, match="'stability' trains .* sparsight.connect$") as told:
        measure_network(small_network(task), task, instruments=["locality", "stability"], num_samples=20)
    assert "\n" not in str(told.value)


def test_a_name_belongs_to_one_instrument_of_either_kind():
    with pytest.raises(InputError, match="'locality' is registered already"):
        network_instrument("locality")
    with pytest.raises(InputError, match="'stability' is registered already"):
        instrument("stability")(lambda observation: {})
    assert "stability" not in INSTRUMENTS


def test_a_recipe_is_told_the_names_of_both_kinds():
    with pytest.raises(InputError, match=r"no instrument is called 'stabilty'; did you mean stability\?"):
        load_recipe(PLANE, ["measure.instruments=['stabilty']"])
