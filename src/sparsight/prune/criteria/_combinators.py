"""From an effect to criteria: its highest or lowest values kept, of any weights or of those of equal size.

A criterion that prunes by an effect also selects for what goes with the effect. Two controls tell them apart:
the reverse of the criterion, and the same criterion among weights of equal size.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from sparsight.network import LinearMap, as_matrix, layer_inputs, linear_maps
from sparsight.prune.criteria._registry import NUM_SAMPLES, Criterion, Trained
from sparsight.streams import generator

STRATUM = 10
"""Number of weights of similar size that compete with each other in `matched`."""

Effect = Callable[[Trained], Mapping[str, Tensor]]
"""From a trained level to the effect of every weight, with the names and shapes of the masks.

NaN where a weight has no effect that could be computed: it carries its unit alone.
"""

LayerEffect = Callable[[Tensor, Tensor, Tensor, Tensor, int], np.ndarray]
"""From weight (out, in), inputs (n, in), labels (n,), mask (out, in) and number of classes to (out, in)."""


def of_layers(effect: LayerEffect) -> Effect:
    """Return the effect on every unit, from that on the units of one layer; biases have none and get 0.

    Where a layer is applied at several places of a sample (positions of a convolution, tokens), each place
    counts as a sample. The units of a group of a convolution read the channels of that group.
    """

    def of_network(trained: Trained) -> dict[str, Tensor]:
        inputs, labels = trained.task.representative("train", NUM_SAMPLES, trained.seed)
        layers = {
            layer.weight_name: (name, layer)
            for name, layer in linear_maps(trained.network).items()
            if layer.weight_name in trained.masks
        }
        seen = layer_inputs(trained.network, [name for name, _ in layers.values()], inputs)
        effects = {
            name: torch.zeros(parameter.shape, dtype=torch.float64)
            for name, parameter in trained.parameters().items()
        }
        for weight_name, (name, layer) in layers.items():
            stream = generator(trained.seed, "positions", name, trained.level)
            rows = layer.vectors(seen[name], stream)
            of_rows = labels.repeat_interleave(rows.shape[1])
            effects[weight_name] = _by_group(effect, layer, rows.flatten(0, 1), of_rows, trained)
        return effects

    return of_network


def _by_group(
    effect: LayerEffect, layer: LinearMap, rows: Tensor, labels: Tensor, trained: Trained
) -> Tensor:
    """Return the effect on the units of a layer, in the shape of its weight."""
    weight, mask = layer.matrix.detach().cpu(), as_matrix(trained.masks[layer.weight_name])
    groups = zip(
        weight.chunk(layer.num_groups),
        rows.chunk(layer.num_groups, dim=1),
        mask.chunk(layer.num_groups),
        strict=True,
    )
    found = [effect(each, read, labels, kept, trained.task.num_classes) for each, read, kept in groups]
    return torch.from_numpy(np.concatenate(found)).view(layer.weight.shape)


def reverse(effect: Effect) -> Effect:
    """Return the negative of an effect. What is undefined stays so, and is still removed last."""
    return lambda trained: {name: -values for name, values in effect(trained).items()}


def highest(effect: Effect) -> Criterion:
    """Return the criterion that keeps the weights of highest effect, and those without one."""
    return lambda trained: {name: _undefined_last(values) for name, values in effect(trained).items()}


def matched(effect: Effect, name: str) -> Criterion:
    """Return the criterion that keeps the weights of highest effect among similar sizes in their unit.

    The kept weights of a unit are ordered by |w| and cut into strata of ten. The score is the rank of the
    effect within the stratum, divided by the stratum's size, plus a draw from 0 to 1/10 that breaks ties
    between strata. It is seeded by the criterion's `name`. Pruning thus removes the same share of every
    stratum and selects for the effect alone: ranked directly, it would also select for |w|, since large
    weights have large effects of either sign.
    """

    def score(trained: Trained) -> dict[str, Tensor]:
        stream = generator(trained.seed, f"{name} criterion", trained.level)
        parameters = trained.parameters()
        scores = {}
        for each, values in effect(trained).items():
            mask = trained.masks[each].numpy()
            units = (len(mask), -1) if mask.ndim > 1 else (1, -1)  # biases compete as if they were one unit
            ranks = ranks_at_equal_size(
                _undefined_last(values).numpy().reshape(units),
                parameters[each].abs().cpu().numpy().reshape(units),
                mask.reshape(units),
            ).reshape(mask.shape)
            scores[each] = torch.from_numpy(ranks + stream.random(mask.shape) / STRATUM)
        return scores

    return score


def _undefined_last(effect: Tensor) -> Tensor:
    return effect.nan_to_num(nan=torch.inf)


def ranks_at_equal_size(effect: np.ndarray, size: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the rank of each effect within its stratum (ties by index) over its size; 0 where masked.

    All arrays are (unit, input). All strata of all units are ranked in two sorts; one sort for each stratum
    would be a Python loop over every tenth weight.
    """
    unit, column = np.nonzero(mask)
    by_size = np.lexsort((size[unit, column], unit))
    first_of_unit = np.searchsorted(unit, unit)  # np.nonzero lists units in order
    stratum = np.empty(len(unit), np.int64)
    stratum[by_size] = (np.arange(len(unit)) - first_of_unit) // STRATUM
    by_effect = np.lexsort((effect[unit, column], stratum, unit))
    _, start, count = np.unique(
        np.stack([unit, stratum])[:, by_effect], axis=1, return_index=True, return_counts=True
    )
    scores = np.zeros(mask.shape)
    within = np.arange(len(unit)) - np.repeat(start, count)
    scores[unit[by_effect], column[by_effect]] = within / np.repeat(count, count)
    return scores
