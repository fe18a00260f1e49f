"""Instruments applied to every layer of a level, or of any other network."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from torch import nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.instruments._observation import (
    MaskedNetwork,
    NetworkObservation,
    Observation,
    observe,
    observe_network,
)
from sparsight.instruments._registry import INSTRUMENTS, NETWORK, Quantity, measures_network
from sparsight.network import linear_layers
from sparsight.prune import Level, check_mask
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
    loss: Loss = "cross_entropy",
) -> dict[str, dict[str, Quantity]]:
    """Apply instruments to every pruned layer of a trained level, or to its network as a whole.

    Parameters
    ----------
    level : Level or MaskedNetwork
        Its network is evaluated in evaluation mode.
    task : Task
        The network is measured on its first `num_samples` test samples; instruments of the whole network
        look at as many training samples.
    geometries : mapping of str to Geometry, optional
        Geometry of a layer's own inputs, by layer. Other layers are measured in the geometry of the task if
        the network is a chain of linear layers, and without one if it is not.
    loss : {"cross_entropy", "mse"}
        Loss of the training, for instruments of the whole network.

    Returns
    -------
    dict
        Layer name → ``<instrument>.<quantity>`` → Quantity. Quantities of the whole network are under
        `NETWORK`, which is missing if no instrument measures it.
    """
    of_layers = [name for name in instruments if not measures_network(name)]
    of_network = [name for name in instruments if measures_network(name)]
    found = {
        observation.layer: _quantities(of_layers, observation)
        for observation in observe(level, task, twin, num_samples=num_samples, geometries=geometries)
    }
    if of_network:
        whole = observe_network(level, task, num_samples=num_samples, loss=loss)
        found[NETWORK] = _quantities(of_network, whole)
    return found


def _quantities(
    instruments: Sequence[str], observation: Observation | NetworkObservation
) -> dict[str, Quantity]:
    return {
        f"{name}.{quantity}": value
        for name in instruments
        for quantity, value in INSTRUMENTS[name](observation).items()
    }


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
        It is evaluated on flattened inputs, (n, num_inputs), and left unchanged. If a layer is applied at
        several places of a sample (tokens), each place counts as a sample.
    task : Task
        The network is measured on its first `num_samples` test samples.
    layers : sequence of str, optional
        Names of ``torch.nn.Linear`` layers. Default: those with a mask, or all if no masks are given.
    masks : dict of str to Tensor of bool, optional
        Kept weights by parameter name (``fc1.weight``). Default: the weights that are not 0.
    next_masks : dict of str to Tensor of bool, optional
        The part of `masks` that pruning keeps, to compare kept with pruned weights. Default: all of it, and
        comparisons are NaN.
    instruments : sequence of str
        Names of instruments, as in ``measure.instruments`` of a recipe.
    geometries : mapping of str to Geometry, optional
        Positions of the inputs of a layer, by layer: for example ``{"fc1": Geometry(16, (8, 8))}`` behind a
        convolution of 16 channels. In a chain of linear layers the default is the task's geometry. In other
        networks a layer without a geometry has no locality.
    twin : Task, optional
        The Gaussian twin of the data, for the instruments that compare with it.
    num_samples : int
        Largest number of test samples to use; of training samples, for instruments of the whole network.
    seed : int
        Seeds the controls, which repeat with the same number.
    loss : {"cross_entropy", "mse"}
        Loss of the training, for instruments of the whole network.

    Returns
    -------
    dict of str to xarray.Dataset
        For each layer, variables ``<instrument>.<quantity>`` with attributes ``definition`` and ``units``.
        Maps of weights have dimensions ``unit`` and ``input`` and are NaN where there is no weight; in
        deeper layers, quantities over the network's inputs have the dimension ``network_input``. What
        instruments of the whole network find is under ``network``.

    Raises
    ------
    InputError
        If a layer, an instrument or a geometry does not fit; the message names it.

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
    _check_names("instruments", instruments, INSTRUMENTS)
    masks = _chosen(network, layers, masks)
    for name, geometry in (geometries or {}).items():
        _check_geometry(network, name, geometry)
    subject = MaskedNetwork(
        network=network,
        masks=masks,
        next_masks=masks | {name: mask for name, mask in (next_masks or {}).items() if name in masks},
        seed=seed,
    )
    found = measure_level(
        subject, task, twin, instruments, num_samples=num_samples, geometries=geometries, loss=loss
    )
    no_mask = np.zeros((0, 0), bool)  # the network as a whole has no map of weights
    shown = {layer: masks[f"{layer}.weight"].numpy() if layer != NETWORK else no_mask for layer in found}
    return {layer: _dataset(layer, found[layer], shown[layer]) for layer in found}


def _chosen(network: nn.Module, layers: Sequence[str] | None, masks: Masks | None) -> Masks:
    """Return the weight masks of the named layers."""
    known = linear_layers(network)
    if layers is None:
        layers = [name for name in known if masks is None or f"{name}.weight" in masks]
    _check_names("layers", layers, known)
    chosen = {}
    for layer in layers:
        name, weight = f"{layer}.weight", known[layer].weight.detach()
        chosen[name] = (weight != 0).cpu() if masks is None or name not in masks else masks[name].cpu()
        check_mask(name, chosen[name], tuple(weight.shape))
    return chosen


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


def _dataset(layer: str, quantities: Mapping[str, Quantity], mask: np.ndarray) -> xr.Dataset:
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
    return xr.Dataset(variables, attrs={"layer": layer})
