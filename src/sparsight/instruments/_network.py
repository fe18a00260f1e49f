"""Instruments applied to the layers of a level, or to any other network."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.instruments._observation import MaskedNetwork, NetworkObservation, Observation, observe
from sparsight.instruments._quantity import NETWORK, Quantity
from sparsight.instruments._registry import (
    INSTRUMENTS,
    NETWORK_INSTRUMENTS,
    all_instruments,
    checked_quantities,
)
from sparsight.instruments._whole_network import measure_whole_network
from sparsight.network import linear_layers
from sparsight.prune import (
    Level,
    check_mask,
    check_module,
    check_task,
    check_weights,
    copied,
    fitted_inputs,
    layers_called,
)
from sparsight.registry import suggest
from sparsight.train import Loss, Masks


def measure_level(
    level: Level | MaskedNetwork,
    task: Task,
    twin: Task | None,
    instruments: Sequence[str],
    *,
    num_samples: int,
    geometries: Mapping[str, Geometry] | None = None,
) -> dict[str, dict[str, Quantity]]:
    """Apply instruments to every pruned layer of a trained level; those of the whole network are passed over.

    Parameters
    ----------
    level : Level or MaskedNetwork
        Its network is evaluated in evaluation mode.
    task : Task
        The network is measured on at most `num_samples` test samples, see `Task.representative`.
    geometries : mapping of str to Geometry, optional
        Geometry of a layer's own inputs, by layer. Other layers are measured in the geometry of the task if
        the network is a chain of linear layers, and without one if it is not.

    Returns
    -------
    dict
        Layer name → ``<instrument>.<quantity>`` → Quantity.
    """
    return {
        observation.layer: {
            f"{name}.{quantity}": value
            for name in instruments
            if name not in NETWORK_INSTRUMENTS
            for quantity, value in checked_quantities(name, _quantities(name, observation)).items()
        }
        for observation in observe(level, task, twin, num_samples=num_samples, geometries=geometries)
    }


def _quantities(name: str, observation: Observation) -> Mapping[str, Quantity]:
    # The user's own instruments get copies: what one of them changed, the next would measure, and masks
    # are those that the run stores. That the shipped ones change nothing is tested.
    function = INSTRUMENTS.look_up(name)
    return function(observation if INSTRUMENTS.is_shipped(name) else _copied(observation))


def _copied(observation: Observation) -> Observation:
    copies: dict[str, Any] = {}
    for each in fields(observation):
        value = getattr(observation, each.name)
        if isinstance(value, np.ndarray | Tensor):
            copies[each.name] = value.copy() if isinstance(value, np.ndarray) else value.clone()
    return replace(observation, **copies)


def measure_network(
    network: nn.Module,
    task: Task,
    *,
    layers: Sequence[str] | None = None,
    masks: Masks | None = None,
    next_masks: Masks | None = None,
    instruments: Sequence[str] = ("locality", "gaussianity", "cavity"),
    geometries: Mapping[str, Geometry] | None = None,
    twin: Task | None = None,
    num_samples: int = 2000,
    seed: int = 0,
    loss: Loss = "cross_entropy",
) -> dict[str, xr.Dataset]:
    """Apply instruments to linear layers of any network, as a run does to its own.

    Parameters
    ----------
    network : torch.nn.Module
        It is evaluated on flattened inputs, (n, num_inputs), or on (n, channels, *size) if it takes only
        these, and left unchanged. If a layer is applied at several places of a sample (tokens), each place
        counts as a sample.
    task : Task
        The network is measured on at most `num_samples` test samples, see `Task.representative`.
    layers : sequence of str, optional
        Names of ``torch.nn.Linear`` layers. Default: those with a mask, or all that the network calls if no
        masks are given.
    masks : dict of str to Tensor of bool, optional
        Kept weights by parameter name (``fc1.weight``). Weights outside count as 0, also where the network
        has other values there. Default: the masks of ``torch.nn.utils.prune``, or the weights that are not 0.
    next_masks : dict of str to Tensor of bool, optional
        The part of `masks` that pruning keeps, to compare kept with pruned weights. Default: all of it, and
        comparisons are NaN.
    instruments : sequence of str
        Names of instruments, as in ``measure.instruments`` of a recipe.
    geometries : mapping of str to Geometry, optional
        Positions of the inputs of a layer, by layer: for example ``{"fc1": Geometry(16, (8, 8))}`` behind a
        convolution of 16 channels. In a chain of linear layers the default is the task's geometry. In other
        networks a layer without a geometry has no locality and no shape fits, and a warning says so.
    twin : Task, optional
        The Gaussian twin of the data, for the instruments that compare with it.
    num_samples : int
        Largest number of test samples to use. Instruments of the whole network get as many training samples.
    seed : int
        Seeds the controls, which repeat with the same number.
    loss : {"cross_entropy", "mse"}
        Loss of the training, for instruments of the whole network.

    Returns
    -------
    dict of str to xarray.Dataset
        For each layer, variables ``<instrument>.<quantity>`` with attributes ``definition`` and ``units``.
        Its attribute ``samples`` says which test samples were measured.
        Maps of weights have dimensions ``unit`` and ``input`` and are NaN where there is no weight; in
        deeper layers, quantities over the network's inputs have the dimension ``network_input``. What
        instruments of the whole network find is under ``network``, where `samples` says which training
        samples they are given.

    Raises
    ------
    InputError
        If the network does not fit the task, or a layer, a mask, an instrument or a geometry does not fit;
        the message names it. Also for instruments that train copies of a level of a run, as `stability` does.

    Examples
    --------
    >>> import sparsight, torch
    >>> recipe = sparsight.load_recipe("nlgp-1d", ["data.num_train=100", "data.num_test=100"])
    >>> task = recipe.condition("imp").data.build(seed=0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(task.geometry.num_inputs, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    ... )
    >>> found = sparsight.measure_network(network, task, layers=["0"], instruments=["gaussianity"])
    >>> found["0"]["gaussianity.excess_kurtosis_per_unit"].dims
    ('unit',)
    """
    _check_names("instruments", instruments, all_instruments())
    check_task(task)
    if twin is not None:
        check_task(twin, "twin")
    check_module(network)
    for name, geometry in (geometries or {}).items():
        _check_geometry(network, name, geometry)
    with fitted_inputs(network, task):
        masks = _chosen(network, task, layers, masks)
        if f"{NETWORK}.weight" in masks and NETWORK_INSTRUMENTS.keys() & instruments:
            raise InputError(
                f"layers: a layer is called {NETWORK!r}, and so is what instruments of the whole network "
                "find; give the layer another name, or measure them in two calls"
            )
        subject = MaskedNetwork(
            network=_masked(network, masks),
            masks=masks,
            next_masks=masks | {name: mask for name, mask in (next_masks or {}).items() if name in masks},
            seed=seed,
        )
        # First: an instrument that cannot measure this network says so before the others have worked.
        whole = measure_whole_network(
            NetworkObservation(level=subject, task=task, num_samples=num_samples, loss=loss), instruments
        )
        found = measure_level(
            subject, task, twin, instruments, num_samples=num_samples, geometries=geometries
        )
    samples = task.origin_of_samples("test", num_samples)
    datasets = {
        layer: _dataset(layer, found[layer], masks[f"{layer}.weight"].numpy(), samples) for layer in found
    }
    if whole:
        no_map = np.zeros((0, 0), bool)
        datasets[NETWORK] = _dataset(NETWORK, whole, no_map, task.origin_of_samples("train", num_samples))
    return datasets


def _chosen(network: nn.Module, task: Task, layers: Sequence[str] | None, masks: Masks | None) -> Masks:
    """Return the weight masks of the named layers."""
    known = linear_layers(network)
    for name in masks or {}:
        layer = name.rpartition(".")[0]
        _check_names("masks", [layer], known)
    if layers is None:
        called = layers_called(network, task) if masks is None else list(known)
        layers = [name for name in called if masks is None or f"{name}.weight" in masks]
    _check_names("layers", layers, known)
    chosen = {}
    for layer in layers:
        name, weight = f"{layer}.weight", known[layer].weight.detach()
        given = masks[name] if masks is not None and name in masks else _own_mask(known[layer])
        chosen[name] = given.cpu() if isinstance(given, Tensor) else given
        check_mask(name, chosen[name], tuple(weight.shape))
    return chosen


def _own_mask(layer: nn.Linear) -> Tensor:
    """Return the mask that ``torch.nn.utils.prune`` keeps in a layer, or the weights that are not 0."""
    mask = dict(layer.named_buffers(recurse=False)).get("weight_mask")
    return layer.weight.detach() != 0 if mask is None else mask != 0


def _masked(network: nn.Module, masks: Masks) -> nn.Module:
    """Return the network, or a copy with weights of 0 outside the masks if it has others there."""
    layers = {name: linear_layers(network)[name.removesuffix(".weight")] for name in masks}
    outside = {name: ~masks[name].to(layer.weight.device) for name, layer in layers.items()}
    # NaN counts as another value: what a mask hides need not be a number.
    hidden = [name for name, layer in layers.items() if bool((layer.weight[outside[name]] != 0).any())]
    if not hidden:
        return network
    check_weights(network, [name.removesuffix(".weight") for name in hidden])
    masked = copied(network)
    with torch.no_grad():
        for name in hidden:
            masked.get_parameter(name).masked_fill_(outside[name], 0.0)
    return masked


def _check_names(argument: str, names: Sequence[str], known: Mapping[str, object]) -> None:
    there = ", ".join(known) or "none"
    if not names:
        raise InputError(f"{argument} is empty; name at least one (there are {there})")
    for name in names:
        if name not in known:
            raise InputError(f"{argument}: {name!r} is unknown{suggest(name, known)} (there are {there})")


def _check_geometry(network: nn.Module, layer: str, geometry: Geometry) -> None:
    known = linear_layers(network)
    _check_names("geometries", [layer], known)
    if geometry.num_inputs != known[layer].in_features:
        raise InputError(
            f"geometries[{layer!r}] has {geometry.num_inputs} inputs; "
            f"the layer has {known[layer].in_features}"
        )


def _dataset(layer: str, quantities: Mapping[str, Quantity], mask: np.ndarray, samples: str) -> xr.Dataset:
    variables = {}
    for name, quantity in quantities.items():
        is_map = quantity.dims == ("unit", "input")
        value = np.where(mask, quantity.value, np.nan) if is_map else quantity.value
        dims = quantity.dims
        if dims == ("input",) and np.shape(value) != mask.shape[1:]:
            # Seen through paths, a deeper layer has quantities over the network's inputs as well as maps over
            # its own, and a Dataset refuses two lengths of one dimension.
            dims = ("network_input",)
        variables[name] = (dims, value, {"definition": quantity.definition, "units": quantity.unit})
    return xr.Dataset(variables, attrs={"layer": layer, "samples": samples})
