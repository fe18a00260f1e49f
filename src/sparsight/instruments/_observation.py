"""From a trained level to what the instruments see, and what they find."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.instruments._registry import INSTRUMENTS, Observation, Quantity
from sparsight.network import is_chain, layer_inputs, linear_layers
from sparsight.prune import paths
from sparsight.train import Masks


def measure_level(
    network: nn.Module,
    masks: Masks,
    next_masks: Masks,
    task: Task,
    twin: Task | None,
    instruments: Sequence[str],
    *,
    level: int,
    seed: int,
    num_samples: int,
    geometries: Mapping[str, Geometry] | None = None,
) -> dict[str, dict[str, Quantity]]:
    """Apply instruments to every pruned layer of a trained network.

    Parameters
    ----------
    network : torch.nn.Module
        Trained; evaluated in evaluation mode.
    masks, next_masks : dict of str to Tensor of bool
        By parameter name: trained with, and kept afterwards.
    task : Task
        The first `num_samples` test samples are looked at.
    twin : Task or None
        The Gaussian twin of the same data.
    instruments : sequence of str
        Names in ``INSTRUMENTS``.
    level, seed, num_samples : int
    geometries : mapping of str to Geometry, optional
        Where a layer's own inputs are, by layer. Other layers are looked at in the geometry of the task if
        the network is a chain of linear layers, and without one if it is not.

    Returns
    -------
    dict
        Layer name → ``<instrument>.<quantity>`` → Quantity.
    """
    found: dict[str, dict[str, Quantity]] = {}
    for observation in observe(
        network,
        masks,
        next_masks,
        task,
        twin,
        level=level,
        seed=seed,
        num_samples=num_samples,
        geometries=geometries,
    ):
        found[observation.layer] = {
            f"{name}.{quantity}": value
            for name in instruments
            for quantity, value in INSTRUMENTS[name](observation).items()
        }
    return found


def observe(
    network: nn.Module,
    masks: Masks,
    next_masks: Masks,
    task: Task,
    twin: Task | None,
    *,
    level: int,
    seed: int,
    num_samples: int,
    geometries: Mapping[str, Geometry] | None = None,
) -> Iterator[Observation]:
    """Yield an observation of every layer whose weight is pruned; arguments as in `measure_level`."""
    layers = linear_layers(network)
    pruned = [name for name in layers if f"{name}.weight" in masks]
    inputs, labels = task.samples("test", 0, num_samples)
    seen = layer_inputs(network, pruned, inputs)
    seen_on_twin = layer_inputs(network, pruned, twin.samples("test", 0, num_samples)[0]) if twin else {}
    places = _Places(network, masks, task.geometry, geometries or {})
    for name in pruned:
        layer, weight_name = layers[name], f"{name}.weight"
        depth, geometry, product = places.of(name)
        samples = seen[name].reshape(-1, layer.in_features)
        on_twin = seen_on_twin.get(name)
        yield Observation(
            layer=name,
            depth=depth,
            level=level,
            seed=seed,
            weight=layer.weight.detach().cpu().numpy().copy(),
            bias=None if layer.bias is None else layer.bias.detach().cpu().numpy().copy(),
            mask=masks[weight_name].cpu().numpy(),
            next_mask=next_masks[weight_name].cpu().numpy(),
            inputs=samples,
            labels=labels.repeat_interleave(len(samples) // len(labels)),
            twin_inputs=None if on_twin is None else on_twin.reshape(-1, layer.in_features),
            geometry=geometry,
            paths=None if product is None else product.numpy(),
            num_classes=task.num_classes,
        )


class _Places:
    """Where the inputs of a network's layers are, and the paths from there, layer by layer."""

    def __init__(
        self, network: nn.Module, masks: Masks, geometry: Geometry, geometries: Mapping[str, Geometry]
    ) -> None:
        self._geometry = geometry
        self._geometries = geometries
        self._layers = list(linear_layers(network))
        self._is_chain = is_chain(network)
        shapes = {name: layer.weight.shape for name, layer in linear_layers(network).items()}
        self._masks = {
            name: masks.get(f"{name}.weight", torch.ones(shape, dtype=torch.bool)).cpu()
            for name, shape in shapes.items()
        }

    def of(self, name: str) -> tuple[int, Geometry | None, Tensor | None]:
        """Return a layer's depth, its geometry, and the number of paths from there to its units."""
        if name in self._geometries:
            return 0, self._geometries[name], self._masks[name].double()
        depth = self._layers.index(name)
        if not self._is_chain:
            return depth, None, None
        return depth, self._geometry, paths([self._masks[below] for below in self._layers[: depth + 1]])
