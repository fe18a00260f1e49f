import numpy as np
import pytest

from sparsight.data.fields._planted_teacher import planted_supports, planted_teacher
from sparsight.errors import InputError
from sparsight.geometry import Geometry

SMALL = {"size": (24,), "num_train": 4000, "num_test": 1000}


def supports(task):
    found = np.zeros((len(task.card["support"]), task.geometry.num_inputs), dtype=bool)
    for row, inputs in zip(found, task.card["support"], strict=True):
        row[inputs] = True
    return found


@pytest.mark.parametrize("gain", [0.0, 3.0])
@pytest.mark.parametrize("correlation_length", [0.0, 2.0])
def test_labels_depend_on_the_planted_inputs_alone_and_are_balanced(gain, correlation_length):
    task = planted_teacher(**SMALL, gain=gain, correlation_length=correlation_length, seed=3)
    inputs, labels = task.test_inputs.reshape(1000, -1), task.test_labels
    assert abs(labels.mean() - 0.5) < 4 * np.sqrt(0.25 / 1000) + 0.01
    is_read = supports(task).any(axis=0)
    # The same labels from a teacher rebuilt by least squares on the rectified units would need its weights;
    # what can be seen from outside: inputs that nobody reads tell nothing about the label.
    if correlation_length == 0:
        means = np.abs(inputs[labels == 1].mean(axis=0) - inputs[labels == 0].mean(axis=0))
        assert means[~is_read].max() < 4.5 * 2 / np.sqrt(1000)
        assert means[is_read].max() > 4.5 * 2 / np.sqrt(1000)


def test_every_unit_has_variance_one_and_labels_are_its_rule():
    from sparsight.data.fields import _planted_teacher as source

    kept = {}
    original = source._scaled_units

    def remembering(*arguments):
        kept["units"] = original(*arguments)
        return kept["units"]

    source._scaled_units = remembering
    try:
        task = planted_teacher(**SMALL, seed=5)
    finally:
        source._scaled_units = original
    weight, inputs = kept["units"].weight, task.train_inputs.reshape(4000, -1)
    np.testing.assert_array_equal(weight != 0, supports(task))
    by_hand = np.array([sum(max(0.0, float(w @ x)) for w in weight) / len(weight) for x in inputs[:200]])
    np.testing.assert_array_equal(task.train_labels[:200], by_hand > kept["units"].median)
    np.testing.assert_allclose((inputs @ weight.T).std(axis=0), 1, rtol=0.06)


@pytest.mark.parametrize(("size", "wraps"), [((20,), True), ((20,), False), ((7, 6), True), ((7, 6), False)])
def test_supports_are_the_nearest_inputs_and_do_not_overlap_where_there_is_room(size, wraps):
    geometry = Geometry(1, size, wraps)
    found = planted_supports(geometry, 3, 5, np.random.default_rng(0))
    assert (found.sum(axis=1) == 5).all()
    assert found.sum(axis=0).max() == 1
    positions = geometry.positions()
    for unit in found:
        offsets = np.abs(positions[None] - positions[:, None])
        if wraps:
            offsets = np.minimum(offsets, np.array(size) - offsets)
        distances = (offsets**2).sum(axis=-1)
        is_window = [
            np.sort(row[unit])[-1] <= np.sort(row[~unit])[0] for row in distances
        ]  # nothing outside is nearer to the centre than something inside
        assert any(is_window)
    crowded = planted_supports(geometry, 30, 5, np.random.default_rng(0))
    assert (crowded.sum(axis=1) == 5).all()


def test_online_samples_follow_the_same_teacher_and_seeds_name_teachers():
    fixed, online = planted_teacher(**SMALL, seed=1), planted_teacher(**SMALL, seed=1, online=True)
    assert fixed.card["support"] == online.card["support"] != planted_teacher(**SMALL, seed=2).card["support"]
    np.testing.assert_array_equal(fixed.test_labels, online.test_labels)
    inputs, labels = online.draw(7, 3, 500)
    again, _ = online.draw(7, 3, 500)
    np.testing.assert_array_equal(inputs, again)
    assert 0.35 < labels.mean() < 0.65


def test_supports_larger_than_the_input_are_refused():
    with pytest.raises(InputError, match="at most the 24 inputs"):
        planted_teacher(**SMALL, support_size=25, seed=0)
