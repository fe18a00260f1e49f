"""From a trained level to what the instruments see, and what they find."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from sparsight.data.task import Task
from sparsight.measure.instrument import INSTRUMENTS, Observation, Quantity
from sparsight.network import layer_inputs, linear_layers
from sparsight.prune.connectivity import paths
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
) -> dict[str, dict[str, Quantity]]:
    """Apply instruments to every pruned layer of a trained network.

    Parameters
    ----------
    network : torch.nn.Module
        Trained; evaluated in evaluation mode. Its linear layers must form a chain.
    masks, next_masks : dict of str to Tensor of bool
        By parameter name: trained with, and kept afterwards.
    task : Task
        The first `num_samples` test samples are looked at.
    twin : Task or None
        The Gaussian twin of the same data.
    instruments : sequence of str
        Names in ``INSTRUMENTS``.
    level, seed, num_samples : int

    Returns
    -------
    dict
        Layer name → ``<instrument>.<quantity>`` → Quantity.
    """
    found: dict[str, dict[str, Quantity]] = {}
    for observation in observe(
        network, masks, next_masks, task, twin, level=level, seed=seed, num_samples=num_samples
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
) -> Iterator[Observation]:
    """Yield an observation of every layer whose weight is pruned; arguments as in `measure_level`."""
    layers = linear_layers(network)
    pruned = [name for name in layers if f"{name}.weight" in masks]
    inputs, labels = task.samples("test", 0, num_samples)
    seen = layer_inputs(network, pruned, inputs)
    seen_on_twin = layer_inputs(network, pruned, twin.samples("test", 0, num_samples)[0]) if twin else {}
    chain: list[Tensor] = []
    for depth, (name, layer) in enumerate(layers.items()):
        weight_name = f"{name}.weight"
        chain.append(masks.get(weight_name, torch.ones(layer.weight.shape, dtype=torch.bool)))
        if weight_name not in masks:
            continue
        yield Observation(
            layer=name,
            depth=depth,
            level=level,
            seed=seed,
            weight=layer.weight.detach().cpu().numpy().copy(),
            bias=None if layer.bias is None else layer.bias.detach().cpu().numpy().copy(),
            mask=masks[weight_name].numpy(),
            next_mask=next_masks[weight_name].numpy(),
            inputs=seen[name],
            labels=labels,
            twin_inputs=seen_on_twin.get(name),
            geometry=task.geometry,
            paths=paths(chain).numpy(),
            num_classes=task.num_classes,
        )
