import numpy as np
import pytest
import torch

from sparsight.instruments import NETWORK, measure_network
from sparsight.measure import far_from_data
from sparsight.network import chain_of
from tests.toy import linear_task, small_network


def _measured(network, task=None, **options):
    found = measure_network(
        network, task or linear_task(), instruments=["extrapolation"], num_samples=60, **options
    )[NETWORK]
    return {name.removeprefix("extrapolation."): float(value) for name, value in found.items()}


def test_numbers_through_points_are_those_of_the_plain_function_in_data_radii():
    task = linear_task()
    network = small_network(task)
    found = _measured(network)
    inputs = task.representative("test", 60, 0)[0].numpy().astype(float)
    far = far_from_data(chain_of(network), inputs)
    lengths = np.linalg.norm(inputs, axis=1)
    radius = np.sqrt((lengths**2).mean())
    assert found["data_radius"] == pytest.approx(radius)
    assert found["last_kink_points"] == pytest.approx(np.median(far.last_kink * lengths / radius))
    assert found["margin_slope_points"] == pytest.approx(np.mean(far.margins * radius / lengths))
    shares = np.bincount(far.classes, minlength=2) / 60
    assert found["largest_class_points"] == pytest.approx(shares.max())
    assert found["class_entropy_points"] == pytest.approx(-(shares * np.log2(shares)).sum())


def test_without_biases_rays_are_straight_from_the_start():
    found = _measured(small_network(linear_task(), bias=False))
    for kind in ("points", "random"):
        assert found[f"last_kink_{kind}"] == 0
        assert found[f"straightness_{kind}"] == pytest.approx(1, abs=1e-9)


def test_a_network_that_reads_one_input_with_one_sign_ignores_half_of_all_rays():
    network = small_network(linear_task())
    with torch.no_grad():
        network.linear_0.weight.zero_()
        network.linear_0.weight[:, 3] = 1.0
    found = _measured(network)
    assert found["ignored_share_random"] == pytest.approx(0.5, abs=0.12)
    assert found["ignored_share_random_random_mask"] < 0.1  # 12 units that read different inputs


def test_one_class_can_own_infinity():
    network = small_network(linear_task())
    with torch.no_grad():
        network.linear_1.weight[0] = 1.0
        network.linear_1.weight[1] = -1.0
    found = _measured(network)
    assert found["class_entropy_random"] == 0
    assert found["largest_class_random"] == 1


def test_activations_that_saturate_have_no_far_end():
    found = _measured(small_network(linear_task(), activation="tanh"))
    assert found["margin_slope_points"] == 0
    assert np.isnan(found["straightness_points"])
    assert np.isnan(found["last_kink_random"])
    assert np.isnan(found["ignored_share_random"])
