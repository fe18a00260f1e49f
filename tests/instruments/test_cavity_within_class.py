import numpy as np
import pytest
import torch
from scipy.stats import kurtosis

from sparsight.geometry import Geometry
from sparsight.instruments import Observation
from sparsight.instruments._cavity_within_class import difference_per_unit, measure_cavity_within_class


def _observation(seed=0, shift=0.0):
    stream = np.random.default_rng(seed)
    labels = np.repeat([0, 1], 60)
    inputs = stream.laplace(size=(120, 5)) * np.where(labels == 0, 1, 3)[:, None] + shift * labels[:, None]
    mask = stream.random((3, 5)) < 0.9
    mask[:, :2] = True
    weight = np.where(mask, stream.normal(size=(3, 5)), 0).astype(np.float32)
    next_mask = mask.copy()
    next_mask[:, 1] = False
    return Observation(
        layer="linear_0",
        depth=0,
        level=0,
        seed=0,
        weight=weight,
        bias=None,
        mask=mask,
        next_mask=next_mask,
        inputs=torch.from_numpy(inputs.astype(np.float32)),
        labels=torch.from_numpy(labels),
        twin_inputs=torch.from_numpy(stream.normal(size=(120, 5)).astype(np.float32)),
        geometry=Geometry(1, (5,)),
        paths=mask.astype(np.float64),
        num_classes=2,
    )


def _one_weight_at_a_time(o, inputs):
    """Mean over classes of |κ| with each weight minus |κ| without it, from the definition."""
    delta = np.zeros(o.mask.shape)
    for label in (0, 1):
        x = inputs.numpy()[o.labels.numpy() == label].astype(np.float64)
        for k, i in np.ndindex(delta.shape):
            own = x @ o.weight[k].astype(np.float64)
            without = own - o.weight[k, i] * x[:, i]
            delta[k, i] += (abs(kurtosis(own)) - abs(kurtosis(without))) / 2
    return delta


def test_difference_agrees_with_one_weight_at_a_time():
    o = _observation()
    found = measure_cavity_within_class(o)
    pruned = o.mask & ~o.next_mask
    for inputs, suffix in ((o.inputs, ""), (o.twin_inputs, "_twin")):
        delta = _one_weight_at_a_time(o, inputs)
        expected = delta[o.next_mask].mean() - delta[pruned].mean()
        assert found[f"delta_abs_kurtosis_difference{suffix}"].value == pytest.approx(expected, abs=2e-4)


def test_per_unit_difference_averages_to_the_layers_where_units_keep_and_lose_alike():
    delta = np.arange(6.0).reshape(2, 3)
    kept = np.array([[True, True, False], [True, True, False]])
    found = difference_per_unit(delta, kept, ~kept)
    assert found.tolist() == [0.5 - 2.0, 3.5 - 5.0]


def test_unit_that_loses_nothing_has_no_difference():
    delta = np.ones((2, 2))
    kept = np.array([[True, True], [True, False]])
    assert np.isnan(difference_per_unit(delta, kept, np.array([[False, False], [False, True]]))).tolist() == [
        True,
        False,
    ]


def test_means_of_classes_do_not_enter():
    near, far = (measure_cavity_within_class(_observation(shift=shift)) for shift in (0.0, 50.0))
    name = "delta_abs_kurtosis_difference"
    assert near[name].value == pytest.approx(far[name].value, abs=2e-3)
