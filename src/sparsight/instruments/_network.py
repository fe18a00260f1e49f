"""Instruments applied to the layers of a level, or to any other network."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
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
from sparsight.network import LinearMap, as_matrix, linear_maps
from sparsight.prune import (
    Level,
    check_mask,
    check_module,
    check_task,
    check_weights,
    copied,
    fitted_inputs,
    layer_of,
    layers_called,
)
from sparsight.registry import suggest
from sparsight.train import Loss, Masks

if TYPE_CHECKING:
    import xarray as xr


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

    Warns
    -----
    UserWarning
        For each convolution with groups, which is left out.
    """
    if INSTRUMENTS.keys() & instruments:
        _warn_of_groups(level)
    return {
        observation.layer: {
            f"{name}.{quantity}": value
            for name in instruments
            if name not in NETWORK_INSTRUMENTS
            for quantity, value in checked_quantities(name, _quantities(name, observation)).items()
        }
        for observation in observe(level, task, twin, num_samples=num_samples, geometries=geometries)
    }


def _warn_of_groups(level: Level | MaskedNetwork) -> None:
    for name, layer in linear_maps(level.network).items():
        if layer.num_groups > 1 and layer.weight_name in level.masks:
            warnings.warn(
                f"layer {name!r} is not measured: it is {_groups(layer)}", UserWarning, stacklevel=3
            )


def _groups(layer: LinearMap) -> str:
    return (
        f"a convolution of {layer.num_groups} groups, whose units read different channels, so that it is no "
        "one linear map"
    )


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
) -> "dict[str, xr.Dataset]":
    """Apply instruments to linear layers and convolutions of any network, as a run does to its own.

    A convolution is measured as the linear map of its patches: every position of a sample counts as a sample,
    and locality is that of the kernel, in steps of the kernel. Patches at a border hold what padding adds.
    With more than 2²⁵ numbers in all patches, as many positions of each sample are drawn as fit.

    Parameters
    ----------
    network : torch.nn.Module
        It is evaluated on flattened inputs, (n, num_inputs), or on (n, channels, *size) if it takes only
        these, and left unchanged. If a layer is applied at several places of a sample (tokens), each place
        counts as a sample.
    task : Task
        The network is measured on at most `num_samples` test samples, see `Task.representative`.
    layers : sequence of str, optional
        Names of layers of the classes ``torch.nn.Linear``, ``Conv1d`` and ``Conv2d`` (without groups), or
        ``<attention>.in_proj`` of a self-attention, whose units are queries, keys and values. Default: those
        with a mask or, if no masks are given, all ``torch.nn.Linear`` that the network calls.
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
        convolution of 16 channels. In a chain of linear layers the default is the task's geometry, and that
        of a convolution is its kernel. In other networks a linear layer without a geometry has no locality
        and no shape fits, and a warning says so.
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
        Maps of weights have dimensions ``unit`` and ``input`` and are NaN where there is no weight (of a
        convolution: reshape them to its weight's shape); in
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
        if layers is not None and INSTRUMENTS.keys() & instruments:
            _refuse_groups(network, layers)
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
            NetworkObservation(
                level=subject,
                task=task,
                num_samples=num_samples,
                loss=loss,
                twin=twin,
                geometries=geometries,
            ),
            instruments,
        )
        found = measure_level(
            subject, task, twin, instruments, num_samples=num_samples, geometries=geometries
        )
    samples = task.origin_of_samples("test", num_samples)
    maps = linear_maps(network)
    datasets = {
        layer: _dataset(layer, found[layer], as_matrix(masks[maps[layer].weight_name]).numpy(), samples)
        for layer in found
    }
    if whole:
        no_map = np.zeros((0, 0), bool)
        datasets[NETWORK] = _dataset(NETWORK, whole, no_map, task.origin_of_samples("train", num_samples))
    return datasets


def _chosen(network: nn.Module, task: Task, layers: Sequence[str] | None, masks: Masks | None) -> Masks:
    """Return the weight masks of the named layers."""
    known = linear_maps(network)
    for name in masks or {}:
        _check_names("masks", [layer_of(name)], known)
    if layers is None:
        called = layers_called(network, task) if masks is None else list(known)
        layers = [name for name in called if masks is None or known[name].weight_name in masks]
    _check_names("layers", layers, known)
    chosen = {}
    for layer in layers:
        name, weight = known[layer].weight_name, known[layer].weight.detach()
        given = masks[name] if masks is not None and name in masks else _own_mask(known[layer])
        chosen[name] = given.cpu() if isinstance(given, Tensor) else given
        check_mask(name, chosen[name], tuple(weight.shape))
    return chosen


def _refuse_groups(network: nn.Module, layers: Sequence[str]) -> None:
    for name in layers:
        layer = linear_maps(network)[name]
        if layer.num_groups > 1:
            raise InputError(f"layers: {name!r} is {_groups(layer)}; leave it out")


def _own_mask(layer: LinearMap) -> Tensor:
    """Return the mask that ``torch.nn.utils.prune`` keeps in a layer, or the weights that are not 0."""
    attribute = layer.weight_name.rpartition(".")[2]
    mask = dict(layer.module.named_buffers(recurse=False)).get(f"{attribute}_mask")
    return layer.weight.detach() != 0 if mask is None else mask != 0


def _masked(network: nn.Module, masks: Masks) -> nn.Module:
    """Return the network, or a copy with weights of 0 outside the masks if it has others there."""
    layers = {
        layer.weight_name: layer for layer in linear_maps(network).values() if layer.weight_name in masks
    }
    outside = {name: ~masks[name].to(layer.weight.device) for name, layer in layers.items()}
    # NaN counts as another value: what a mask hides need not be a number.
    hidden = [name for name, layer in layers.items() if bool((layer.weight[outside[name]] != 0).any())]
    if not hidden:
        return network
    check_weights(network, [layer_of(name) for name in hidden])
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
    known = linear_maps(network)
    _check_names("geometries", [layer], known)
    num_inputs = known[layer].matrix.shape[1]
    if geometry.num_inputs != num_inputs:
        raise InputError(
            f"geometries[{layer!r}] has {geometry.num_inputs} inputs; the layer has {num_inputs}"
        )


def _dataset(layer: str, quantities: Mapping[str, Quantity], mask: np.ndarray, samples: str) -> "xr.Dataset":
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
    import xarray as xr  # here: with pandas it takes a third of a second, and no run needs it

    return xr.Dataset(variables, attrs={"layer": layer, "samples": samples})
