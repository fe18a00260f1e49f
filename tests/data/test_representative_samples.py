"""Samples that stand for a split, whatever its order."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import sparsight
from sparsight.data import Task, clone_task, describe_task
from sparsight.data._representative_samples import order_of_classes, representative_rows
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.toy import small_network


def ordered_task(order, num_classes=4, per_class=1500, seed=0):
    """Classes told apart by one input each; the samples in the order that `order` gives them."""
    stream = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    inputs = stream.normal(size=(len(labels), 1, 12)).astype(np.float32)
    inputs[np.arange(len(labels)), 0, labels] += 2
    rows = order(stream, labels)
    return Task.from_arrays(inputs[rows], labels[rows], inputs[rows], labels[rows])


def in_blocks(stream, labels):
    return np.concatenate(stream.permutation(np.split(np.arange(len(labels)), len(labels) // 500)))


ORDERS = {
    "sorted by class": lambda _, labels: np.arange(len(labels)),
    "in blocks of a class": in_blocks,
    "mixed": lambda stream, labels: stream.permutation(len(labels)),
}
RISING = np.repeat(np.arange(4), 500)


@pytest.mark.parametrize("order", ORDERS)
def test_classes_are_measured_and_scored_in_their_shares_in_any_order(order):
    task = ordered_task(ORDERS[order])
    _, labels = task.representative("test", 2000)
    shares = np.bincount(labels, minlength=4)
    if order == "mixed":
        assert np.array_equal(labels, task.test_labels[:2000])
    else:
        assert shares.tolist() == [500] * 4
    assert describe_task(task)["order of train samples"] == order


def snip_mask(task):
    pruning = PruningSettings(criterion="snip", schedule="one_shot", rate=0.9, max_levels=1)
    training = TrainingSettings(steps=0, batch_size=32)
    network = small_network(task, widths=(40,))
    return next(imp(network, task, training, pruning, seed=0)).next_masks["linear_0.weight"].numpy()


def test_snip_keeps_on_sorted_data_what_it_keeps_on_shuffled_data():
    """As many weights in common as two shuffles have: this fails if the first samples are scored."""
    by_order = {
        name: snip_mask(ordered_task(order))
        for name, order in (
            *ORDERS.items(),
            ("again", lambda stream, labels: stream.permutation(len(labels))[::-1]),
        )
    }
    num_kept = by_order["mixed"].sum()
    between_shuffles = (by_order["mixed"] & by_order["again"]).sum() / num_kept
    for order in ("sorted by class", "in blocks of a class"):
        assert (by_order[order] & by_order["mixed"]).sum() / num_kept > between_shuffles - 0.1


def test_an_instrument_sees_every_class_of_sorted_data_and_its_twin_in_the_same_places():
    task = ordered_task(ORDERS["sorted by class"])
    twin = clone_task(task, "gaussian", 0)
    assert np.array_equal(task.representative("test", 900, 3)[1], twin.representative("test", 900, 3)[1])
    network = small_network(task)
    found = sparsight.measure_network(network, task, instruments=["gaussianity"], num_samples=2000)[
        "linear_0"
    ]
    assert found.attrs["samples"] == "2000 of 6000, drawn within each class"
    by_class = found["gaussianity.excess_kurtosis_per_class"]
    assert np.isfinite(by_class).all()


@given(
    counts=st.lists(st.integers(0, 60), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 1),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
)
def test_a_draw_has_the_number_asked_for_and_every_share_to_one(counts, share, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    number = max(1, int(share * len(labels)))
    rows = representative_rows(labels, number, seed)
    assert (rows is None) == (representative_rows(labels, number, seed + 1) is None)
    if rows is None:
        return
    assert len(np.unique(rows)) == number
    drawn = np.bincount(labels[rows], minlength=len(counts))
    exact = np.array(counts) * number / len(labels)
    present = np.array(counts) > 0
    assert (drawn[present] > 0).all() or number < present.sum() or drawn.max() == 1
    assert np.abs(drawn - exact).max() < 1 + present.sum()
    assert np.array_equal(rows, representative_rows(labels, number, seed))


def test_a_draw_depends_on_its_seed_and_is_without_order():
    first, again, other = (representative_rows(RISING, 200, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.bincount(RISING[first]).tolist() == [50] * 4
    assert first.max() > 1900  # the last class was reached to its end, not from its start


def test_random_orders_are_taken_as_they_are():
    stream = np.random.default_rng(0)
    for _ in range(300):
        labels = stream.permutation(np.repeat(np.arange(10), stream.integers(5, 400, 10)))
        assert representative_rows(labels, len(labels) // 3, 0) is None
        assert order_of_classes(labels) == "mixed"


def test_no_more_samples_than_there_are():
    assert representative_rows(RISING, len(RISING), 0) is None
    task = ordered_task(ORDERS["sorted by class"], per_class=20)
    assert len(task.representative("test", 1000)[1]) == 80
    assert task.origin_of_samples("test", 1000) == "all 80"
