"""Instruments on networks that are not a chain of linear layers."""

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
import xarray as xr
from torch import nn

import sparsight
from sparsight.errors import InputError
from sparsight.network import is_chain
from tests.toy import NETWORKS, SmallTransformer, linear_task, small_convolution, small_network

TASK = linear_task()


def made(make):
    torch.manual_seed(0)
    return make()


def inputs_of(network, layer):
    """What the layer receives, caught by a hook of our own."""
    caught = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, given, _o: caught.append(given[0]))
    with torch.no_grad():
        network.eval()(TASK.samples("test")[0])
    handle.remove()
    return torch.cat(caught).reshape(-1, caught[0].shape[-1])


@pytest.mark.parametrize("kind", NETWORKS)
def test_quantities_are_those_of_the_functions_on_the_inputs_of_the_layer(kind):
    make, (layer,) = NETWORKS[kind]
    network = made(make)
    weight = network.get_submodule(layer).weight
    with torch.no_grad():
        weight[torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) < 0.5] = 0
    found = sparsight.measure_network(network, TASK, layers=[layer], instruments=["cavity", "gaussianity"])
    effect = sparsight.cavity(weight.detach().double(), inputs_of(network, layer).double()).delta_kurtosis
    measured, kept = found[layer]["cavity.delta_kurtosis"], (weight != 0).numpy()
    assert measured.dims == ("unit", "input")
    tolerance = 1e-3 * np.nanmedian(np.abs(effect[kept]))  # what is promised in float32
    np.testing.assert_allclose(measured.values[kept], effect[kept], rtol=0, atol=tolerance)
    assert np.isnan(measured.values[~kept]).all()
    preactivations = (
        inputs_of(network, layer) @ weight.detach().T + network.get_submodule(layer).bias.detach()
    )
    np.testing.assert_allclose(
        found[layer]["gaussianity.excess_kurtosis_per_unit"],
        sparsight.gaussianity(preactivations.double()).excess_kurtosis,
        rtol=1e-4,
        atol=1e-6,
    )


def test_behind_a_convolution_there_is_locality_only_in_a_geometry_that_is_given():
    network = made(small_convolution)
    with torch.no_grad():
        network[4].weight[:, torch.arange(72) % 24 > 2] = 0  # three neighbours in each of three channels
    with pytest.warns(UserWarning, match="layer '4' has no locality"):
        (without,) = sparsight.measure_network(network, TASK, layers=["4"], instruments=["locality"]).values()
    assert not without.data_vars
    places = {"4": sparsight.Geometry(3, (24,))}
    (found,) = sparsight.measure_network(
        network, TASK, layers=["4"], instruments=["locality"], geometries=places
    ).values()
    expected = sparsight.locality((network[4].weight != 0).numpy(), places["4"])
    assert float(found["locality.near"]) == pytest.approx(expected.near)
    assert expected.near > 3


def test_a_chain_is_measured_in_the_geometry_of_the_task():
    network = small_network(TASK, widths=(12, 6))
    masks = {"linear_0.weight": torch.rand(12, 24) < 0.4, "linear_1.weight": torch.rand(6, 12) < 0.3}
    found = sparsight.measure_network(network, TASK, masks=masks, instruments=["locality"])
    assert list(found) == ["linear_0", "linear_1"]
    reached = (masks["linear_1.weight"].double() @ masks["linear_0.weight"].double()) > 0
    expected = sparsight.locality(reached.numpy(), TASK.geometry)
    assert float(found["linear_1"]["locality.near"]) == pytest.approx(expected.near)


def test_a_unit_contributes_its_outgoing_weights_times_the_spread_of_its_output():
    network = small_network(TASK, widths=(12, 6), batch_norm="hidden")
    masks = {"linear_0.weight": torch.rand(12, 24) < 0.4, "linear_1.weight": torch.rand(6, 12) < 0.3}
    with torch.no_grad():
        for name, mask in masks.items():
            network.get_parameter(name).mul_(mask)
    found = sparsight.measure_network(network, TASK, masks=masks, instruments=["locality"])
    for layer, after in (("linear_0", "linear_1"), ("linear_1", "linear_2")):
        outgoing = network.get_submodule(after).weight.detach().abs().sum(0)
        expected = outgoing * inputs_of(network, after).std(dim=0, correction=0)
        shares = (expected / expected.sum()).numpy()
        np.testing.assert_allclose(found[layer]["locality.contribution_per_unit"], shares, rtol=1e-5)
        per_unit = found[layer]["locality.attained_share_per_unit"].values
        defined = ~np.isnan(per_unit)
        assert float(found[layer]["locality.attained_share_by_contribution"]) == pytest.approx(
            (per_unit * shares)[defined].sum() / shares[defined].sum(), rel=1e-5
        )


def test_the_last_layer_has_no_outgoing_weights():
    network = small_network(TASK)
    masks = {"linear_1.weight": torch.ones(network.linear_1.weight.shape, dtype=torch.bool)}
    (found,) = sparsight.measure_network(network, TASK, masks=masks, instruments=["locality"]).values()
    assert "locality.contribution_per_unit" not in found
    assert "locality.attained_share" in found


def test_a_deeper_layer_has_maps_over_its_inputs_beside_quantities_over_those_of_the_network():
    network = small_network(TASK, widths=(12, 6))
    masks = {"linear_0.weight": torch.rand(12, 24) < 0.4, "linear_1.weight": torch.rand(6, 12) < 0.3}
    found = sparsight.measure_network(network, TASK, masks=masks, instruments=["locality", "cavity"])
    assert dict(found["linear_1"].sizes).items() >= {"input": 12, "network_input": 24}.items()
    reached = (masks["linear_1.weight"].double() @ masks["linear_0.weight"].double()) > 0
    fan_out = found["linear_1"]["locality.fan_out_per_input"]
    np.testing.assert_array_equal(fan_out, reached.sum(0))
    assert found["linear_0"]["locality.fan_out_per_input"].dims == ("input",)


def test_kept_and_pruned_weights_are_compared_if_next_masks_are_given():
    network = small_network(TASK)
    masks = {"linear_0.weight": torch.ones(12, 24, dtype=torch.bool)}
    pruned = {"linear_0.weight": torch.rand(12, 24, generator=torch.Generator().manual_seed(0)) < 0.5}
    (without,) = sparsight.measure_network(network, TASK, masks=masks, instruments=["cavity"]).values()
    (found,) = sparsight.measure_network(
        network, TASK, masks=masks, next_masks=pruned, instruments=["cavity"]
    ).values()
    effect = found["cavity.delta_kurtosis"].values
    kept = effect[pruned["linear_0.weight"].numpy()]
    assert float(found["cavity.delta_kurtosis_kept"]) == pytest.approx(kept.mean(), rel=1e-5)
    assert np.isnan(float(without["cavity.delta_kurtosis_pruned"]))
    xr.testing.assert_equal(found["cavity.delta_kurtosis"], without["cavity.delta_kurtosis"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ["embd"]}, r"layers: 'embd' is unknown; did you mean embed\? \(there are embed, block"),
        ({"layers": []}, "layers is empty; name at least one"),
        ({"instruments": ["locallity"]}, r"'locallity' is unknown; did you mean locality\? \(there are"),
        ({"geometries": {"out": sparsight.Geometry(1, (9,))}}, r"\['out'\] has 9 inputs; the layer has 8"),
        ({"masks": {"outt.weight": torch.ones(2, 8, dtype=torch.bool)}}, "masks: 'outt' is unknown"),
        ({"masks": {"out.weight": torch.ones(2, 9, dtype=torch.bool)}}, "out.weight"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        sparsight.measure_network(made(SmallTransformer), TASK, **arguments)


def test_the_network_is_left_unchanged():
    network = made(small_convolution).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sparsight.measure_network(network, TASK, layers=["4"], instruments=["gaussianity"])
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_chains_are_distinguished_from_other_networks():
    assert is_chain(small_network(TASK, batch_norm="input", activation="erf"))
    assert is_chain(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4, 2)))
    assert not is_chain(made(small_convolution))
    assert not is_chain(made(SmallTransformer))
    assert not is_chain(nn.Sequential(nn.Linear(3, 3), nn.Softmax(dim=1)))


class Residual(nn.Module):
    """A network that is no chain of linear layers, though it has nothing else."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(TASK.geometry.num_inputs, TASK.geometry.num_inputs)
        self.outer = nn.Linear(TASK.geometry.num_inputs, TASK.num_classes)

    def forward(self, x):
        return self.outer(x + torch.relu(self.inner(x)))


@pytest.mark.parametrize("instrument", ["locality", "shape_fits"])
def test_a_layer_without_positions_says_so_and_what_it_says_to_do_works(instrument):
    torch.manual_seed(0)
    network = Residual()
    with pytest.warns(UserWarning, match=f"has no {instrument}: ") as told:
        found = sparsight.measure_network(network, TASK, instruments=[instrument])
    messages = [str(each.message) for each in told]
    assert [message.partition(" has")[0] for message in messages] == ["layer 'inner'", "layer 'outer'"]
    assert not any(dataset.data_vars for dataset in found.values())
    # The message ends with: geometries={'inner': sparsight.Geometry(channels, size)}, where channels times …
    num_inputs = TASK.geometry.num_inputs
    assert "geometries={'inner': sparsight.Geometry(channels, size)}" in messages[0]
    assert messages[0].endswith(f"is {num_inputs}")
    geometries = {"inner": sparsight.Geometry(1, (num_inputs,))}
    layers = sparsight.measure_network(
        network, TASK, layers=["inner"], instruments=[instrument], geometries=geometries
    )
    assert layers["inner"].data_vars


def test_a_chain_of_linear_layers_has_the_geometry_of_its_task_without_a_warning():
    network = nn.Sequential(nn.Linear(TASK.geometry.num_inputs, 6), nn.ReLU(), nn.Linear(6, TASK.num_classes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sparsight.measure_network(network, TASK, layers=["0"], instruments=["locality"])
    assert "locality.attained_share" in found["0"]


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_output_projection_of_attention_is_measured_on_what_its_heads_return(batch_first):
    torch.manual_seed(0)
    network = SmallTransformer()
    network.block.self_attn.batch_first = batch_first  # the block's inputs are (samples, tokens) either way
    if not batch_first:
        network.embed.register_forward_hook(lambda _m, _i, outputs: outputs.transpose(0, 1))
        network.block.register_forward_hook(lambda _m, _i, outputs: outputs.transpose(0, 1))
    # With tokens first, the rows of the layers after it are not those of the samples: it is measured alone.
    layers = None if batch_first else ["block.self_attn.out_proj"]
    found = sparsight.measure_network(network, TASK, layers=layers, instruments=["gaussianity"])
    if batch_first:
        assert list(found) == ["embed", "block.self_attn.out_proj", "block.linear1", "block.linear2", "out"]
    attention = network.block.self_attn
    caught = []
    attention.register_forward_hook(lambda _m, _i, outputs: caught.append(outputs[0]))
    with torch.no_grad():
        network.eval()(TASK.samples("test")[0])
    np.testing.assert_allclose(
        found["block.self_attn.out_proj"]["gaussianity.excess_kurtosis_per_unit"],
        sparsight.gaussianity(
            (caught[0] if batch_first else caught[0].transpose(0, 1)).reshape(-1, 8).double()
        ).excess_kurtosis,
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


def test_weights_outside_the_masks_count_as_zero_whatever_they_are():
    torch.manual_seed(0)
    network = torch.nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 2))
    mask = torch.rand(8, 24) < 0.5
    zeroed, hidden = copy.deepcopy(network), copy.deepcopy(network)
    with torch.no_grad():
        zeroed[0].weight[~mask] = 0
        hidden[0].weight[~mask] = torch.nan
    expected, *others = (
        sparsight.measure_network(
            each, TASK, masks={"0.weight": mask}, instruments=["gaussianity", "cavity"]
        )["0"]
        for each in (zeroed, network, hidden)
    )
    for found in others:
        assert found.identical(expected)
    assert hidden[0].weight.isnan().any()


def test_the_masks_of_a_live_pruned_module_are_its_own():
    torch.manual_seed(0)
    network = torch.nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.no_grad():
        network[0].weight[0, 0] = 0  # kept, and 0
    torch.nn.utils.prune.custom_from_mask(network[0], "weight", (torch.arange(24) < 10).expand(8, 24))
    found = sparsight.measure_network(network, TASK, layers=["0"], instruments=["cavity"])["0"]
    kept = ~np.isnan(found["cavity.delta_kurtosis"].values)
    assert kept[:, :10].all()
    assert not kept[:, 10:].any()
