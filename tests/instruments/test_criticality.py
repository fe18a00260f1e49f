import numpy as np
import pytest
import torch
from torch import nn

from sparsight.instruments import NETWORK, measure_network
from sparsight.instruments._criticality import measure_criticality
from sparsight.instruments._rearranged_networks import REARRANGEMENTS
from sparsight.measure import bernoulli_mask_kurtosis, mask_kurtosis, susceptibilities
from sparsight.network import chain_of
from sparsight.prune import rearranged
from sparsight.recipe import load_recipe
from tests.instruments.test_tangent import levels
from tests.short_runs import PLANE
from tests.toy import NETWORKS, linear_task, small_network

TASK = linear_task()


def numbers(observation):
    return {name: quantity.value for name, quantity in measure_criticality(observation).items()}


def measured(network, masks=None, **arguments):
    found = measure_network(network, TASK, masks=masks, instruments=["criticality"], **arguments)[NETWORK]
    return {name.removeprefix("criticality."): value.values for name, value in found.data_vars.items()}


def test_numbers_are_those_of_the_functions_before_and_after_training():
    *_, observation = levels(widths=(12, 9))
    found, level = numbers(observation), observation.level
    inputs = TASK.representative("train", 60, level.seed)[0].numpy()
    for when, state in (("initial", level.initial), ("trained", level.final)):
        network = small_network(TASK, widths=(12, 9))
        network.load_state_dict(state)
        expected = susceptibilities(chain_of(network), inputs)
        for name in ("weight_variance", "bias_variance", "predicted", "measured"):
            np.testing.assert_allclose(found[f"{name}_{when}"], getattr(expected, name), rtol=1e-6)
        assert found[f"distance_measured_{when}"] == pytest.approx(np.log(expected.measured).mean())
        assert found[f"distance_predicted_{when}"] == pytest.approx(np.log(expected.predicted).mean())
    network.load_state_dict(level.initial)
    hidden = np.maximum(
        inputs @ level.initial["linear_0.weight"].numpy().T + level.initial["linear_0.bias"].numpy(), 0
    )
    for end, masks in (
        ("", level.masks),
        *((f"_{name}", rearranged(level.masks, how, level.seed)) for name, how in REARRANGEMENTS.items()),
    ):
        values = [
            mask_kurtosis(masks["linear_0.weight"].numpy(), inputs),
            mask_kurtosis(masks["linear_1.weight"].numpy(), hidden),
        ]
        assert found[f"mask_kurtosis{end}"] == pytest.approx(np.mean(values), rel=1e-5)
        assert np.isfinite(found[f"gp_kurtosis{end}"])
    shares = [float(level.masks[f"linear_{i}.weight"].float().mean()) for i in (0, 1)]
    null = [bernoulli_mask_kurtosis(share, h) for share, h in zip(shares, (inputs, hidden), strict=True)]
    assert found["mask_kurtosis_bernoulli"] == pytest.approx(np.mean(null), rel=1e-5)


def test_random_masks_are_their_own_control_and_a_hub_is_not():
    network = small_network(TASK, widths=(60, 60), bias=False)
    random = {
        f"linear_{i}.weight": torch.rand(shape, generator=torch.Generator().manual_seed(i)) < 0.3
        for i, shape in enumerate(((60, 24), (60, 60)))
    }
    found = measured(network, random)
    assert found["mask_kurtosis"] == pytest.approx(found["mask_kurtosis_same_count"], rel=0.25)
    assert abs(found["gp_kurtosis"] - found["gp_kurtosis_same_count"]) < 0.5
    hub = torch.zeros(60, 60, dtype=torch.bool)
    hub[:, 3] = True  # every unit of layer 2 reads the same unit
    found = measured(network, {"linear_0.weight": random["linear_0.weight"], "linear_1.weight": hub})
    assert found["gp_kurtosis"] > 5
    # Permuting rows and columns keeps the hub; places within the units do not.
    assert found["gp_kurtosis_permuted"] == pytest.approx(found["gp_kurtosis"], rel=0.5)
    assert found["gp_kurtosis_same_fan_in"] < 0.3 * found["gp_kurtosis"]


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "erf", "sigmoid"])
def test_every_network_of_a_recipe_has_all_numbers(batch_norm, activation):
    *_, observation = levels(number=1, batch_norm=batch_norm, activation=activation)
    found = numbers(observation)
    assert all(np.isfinite(value).all() for value in found.values())
    assert found["mask_kurtosis_permuted"] == pytest.approx(found["mask_kurtosis"], rel=0.5)


def test_severed_and_flat_networks_have_no_distance():
    found = measured(small_network(TASK), {"linear_0.weight": torch.zeros(12, 24, dtype=torch.bool)})
    assert np.isnan(found["distance_measured_trained"])
    assert found["measured_trained"] == [0.0]
    flat = measured(small_network(TASK, widths=()))
    assert np.isnan(flat["distance_measured_trained"])
    assert flat["measured_trained"].shape == (0,)
    assert abs(flat["gp_kurtosis"]) < 0.3


@pytest.mark.parametrize("kind", NETWORKS)
def test_other_networks_have_none_and_a_warning_says_why(kind):
    make, layers = NETWORKS[kind]
    with pytest.warns(UserWarning, match="criticality: nothing is computed, because"):
        assert NETWORK not in measure_network(make(), TASK, layers=layers, instruments=["criticality"])
    with pytest.warns(UserWarning, match="have activations between"):
        measure_network(nn.Sequential(nn.Linear(24, 5), nn.Linear(5, 2)), TASK, instruments=["criticality"])


@pytest.mark.parametrize("init", ["orthogonal", "low_rank"])
def test_recipes_name_the_initialisation_and_others_keep_their_digest(init):
    plain, changed = load_recipe(PLANE), load_recipe(PLANE, [f"network.init={init}"])
    assert changed.condition(changed.condition_names()[0]).network.init == init
    assert changed.digest() != plain.digest()
