from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.instruments import NETWORK, NETWORK_INSTRUMENTS, NetworkObservation, measure_network
from sparsight.measure import ridge_readout
from sparsight.network import layer_inputs
from sparsight.prune import PruningSettings, imp
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import open_run
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_convolution, small_network

PLANE = Path(__file__).parents[1] / "plane.toml"


def _quadratic_task(num_inputs=40, number=600, seed=0):
    """Classes that depend on the product of two inputs, which no linear readout of the inputs finds."""
    stream = np.random.default_rng(seed)
    inputs = stream.normal(size=(2 * number, 1, num_inputs)).astype(np.float32)
    labels = (inputs[:, 0, 0] * inputs[:, 0, 1] > 0).astype(np.int64)
    return Task(
        name="product",
        geometry=Geometry(1, (num_inputs,)),
        num_classes=2,
        train_inputs=inputs[:number],
        train_labels=labels[:number],
        test_inputs=inputs[number:],
        test_labels=labels[number:],
    )


def _measured(task, mask, seed=0, **network):
    found = measure_network(
        small_network(task, widths=(len(mask),), **network),
        task,
        masks={"linear_0.weight": torch.from_numpy(mask)},
        instruments=["readout"],
        num_samples=600,
        seed=seed,
    )[NETWORK]
    return {name.removeprefix("readout."): value.values for name, value in found.items()}


def test_a_mask_planted_on_the_inputs_that_matter_knows_more_than_random_masks():
    task = _quadratic_task()
    planted = np.zeros((30, 40), bool)
    planted[:, :2] = True
    found = _measured(task, planted)
    assert found["accuracy_mask"][0] > 0.85
    assert found["accuracy_random_mask"][0] < 0.65
    assert found["mask_knows"] == pytest.approx(found["accuracy_mask"][0] - found["accuracy_random_mask"][0])
    assert found["alignment_adds"] > 0.2  # permuted columns miss the two inputs
    assert found["accuracy_inputs"] < 0.6
    for name in ("accuracy_rewound", "accuracy_dense", "values_add", "training_adds"):
        assert np.isnan(found[name]).all()  # nobody knows the weights of the beginning


def test_a_random_mask_knows_nothing_and_an_oracle_of_the_same_fan_in_is_seen():
    task = _quadratic_task(num_inputs=12)
    gaps = {"random": [], "oracle": []}
    for seed in range(20):
        stream = np.random.default_rng(seed)
        fixed = np.broadcast_to(np.arange(12) < 4, (30, 12))
        of_others = np.hstack([np.ones((30, 2), bool), stream.permuted(fixed[:, 2:], axis=1)])
        for name, mask in (("random", stream.permuted(fixed, axis=1)), ("oracle", of_others)):
            assert (mask.sum(axis=1) == 4).all()
            gaps[name].append(_measured(task, mask, seed)["mask_knows"])
    low, high = stats.t.interval(0.95, 19, np.mean(gaps["random"]), stats.sem(gaps["random"]))
    least, _ = stats.t.interval(0.95, 19, np.mean(gaps["oracle"]), stats.sem(gaps["oracle"]))
    assert low < 0 < high
    assert high < least / 3


def test_all_units_as_winners_are_the_trained_code_and_dead_units_do_no_harm():
    found = _measured(_quadratic_task(num_inputs=12), np.zeros((5, 12), bool))
    assert found["accuracy_winners"][0, 0] == found["accuracy_trained"][0]
    assert np.isnan(found["dimensionality"][0])
    found = _measured(linear_task(), np.ones((12, 24), bool))
    assert found["accuracy_winners"][0, 0] == found["accuracy_trained"][0] > 0.7
    assert found["accuracy_winners"].shape == (1, 3)


def test_a_network_that_is_no_chain_has_readouts_of_what_its_layers_receive():
    task, names = linear_task(), ["4", "6"]
    torch.manual_seed(0)
    network = small_convolution()
    with pytest.warns(UserWarning, match="readout with other weights or masks"):
        found = measure_network(network, task, layers=["4"], instruments=["readout"], num_samples=100)[
            NETWORK
        ]
    splits = [task.representative(each, 100, 0) for each in ("train", "test")]
    received = [layer_inputs(network, names, inputs) for inputs, _ in splits]
    expected = []
    for name in names:
        readout = ridge_readout(received[0][name].numpy(), splits[0][1].numpy(), 2)
        expected.append(readout.accuracy(received[1][name].numpy(), splits[1][1].numpy()))
    np.testing.assert_array_equal(found["readout.accuracy_trained"], expected)
    assert max(expected) > 0.7
    assert found["readout.accuracy_winners"].shape == (2, 3)
    assert "readout.accuracy_mask" not in found


def test_the_weights_of_the_beginning_are_those_of_the_level():
    task = linear_task()
    training = TrainingSettings(steps=60, batch_size=50, learning_rate=0.1)
    pruning = PruningSettings(max_levels=2, rate=0.5, rewind="init")
    network = small_network(task)
    for level in imp(network, task, training, pruning, seed=1):
        observation = NetworkObservation(level=level, task=task, num_samples=300, loss="cross_entropy")
        found = {name: each.value for name, each in NETWORK_INSTRUMENTS["readout"](observation).items()}
        assert found["training_adds"] == found["accuracy_trained"][0] - found["accuracy_rewound"][0]
        if level.index == 0:
            dense = found["accuracy_dense"][0]
            assert found["accuracy_rewound"][0] == dense
        else:
            assert found["accuracy_dense"][0] == dense
            assert found["accuracy_rewound"][0] != dense


@pytest.mark.parametrize("rewind", ["init", "none"])
def test_measuring_a_stored_run_again_gives_the_same(tmp_path, rewind):
    recipe = load_recipe(
        PLANE, ["replicates=1", "measure.instruments=['readout', 'calibration']", f"pruning.rewind={rewind}"]
    )
    directory = run_recipe(recipe, tmp_path / "run", jobs=1)
    run = open_run(tmp_path / "run")
    frame = run.frame()
    values = frame[frame["quantity"] == "readout.values_add"]
    assert len(values)
    assert values["value"].notna().all()
    accuracies = run.measures("imp", 0, 1)["network"]["readout.accuracy_dense"].value
    assert np.isnan(accuracies).all() == (rewind == "none")
    measure_again(directory)
    again = open_run(tmp_path / "run")
    np.testing.assert_allclose(frame["value"], again.frame()["value"], rtol=1e-5, equal_nan=True)
    for name, quantity in run.measures("imp", 0, 1)["network"].items():
        np.testing.assert_allclose(
            again.measures("imp", 0, 1)["network"][name].value, quantity.value, rtol=1e-5
        )
