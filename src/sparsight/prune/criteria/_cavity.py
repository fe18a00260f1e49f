"""Pruning by cavity score: a causal test of whether non-Gaussianity makes weights worth keeping."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sparsight.measure import cavity as cavity_effect
from sparsight.network import layer_inputs
from sparsight.prune.criteria._registry import Trained, criterion
from sparsight.streams import generator

_SAMPLES = 2048
_STRATUM = 10
"""Number of weights of similar size that compete with each other in `cavity_matched`."""


@criterion("cavity")
def cavity(trained: Trained) -> dict[str, Tensor]:
    """Score Δ|κ|: keep the weights whose removal would lower |κ| of their unit most.

    κ is the excess kurtosis of the unit's pre-activation over the first 2048 training samples, all classes
    together; Δ|κ| = |κ| − |κ without the weight| (see `sparsight.cavity`). A weight whose removal leaves
    its unit without variance has no Δ; it carries the unit alone and is removed last. Biases do not change
    κ and score 0.
    """
    return {name: _undefined_last(effect) for name, effect in _effects(trained).items()}


@criterion("cavity-reverse")
def cavity_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score −Δ|κ|: the reverse of ``cavity``. A weight that carries its unit alone is still removed last."""
    return {name: _undefined_last(-effect) for name, effect in _effects(trained).items()}


@criterion("cavity-matched")
def cavity_matched(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of Δ|κ| among weights of the same unit and similar size.

    The kept weights of a unit are ordered by |w| and cut into strata of ten. The score is the rank of Δ|κ|
    within the stratum, divided by the stratum's size, plus a seeded draw from 0 to 1/10 that breaks ties
    between strata. Pruning thus removes the same share of every stratum and selects for Δ|κ| alone:
    ranked by Δ|κ| directly, it would also select for |w|, since large weights have large effects of either
    sign.
    """
    stream = generator(trained.seed, "cavity-matched criterion", trained.level)
    parameters = trained.parameters()
    scores = {}
    for name, effect in _effects(trained).items():
        mask = trained.masks[name].numpy()
        units = (len(mask), -1) if mask.ndim == 2 else (1, -1)  # biases compete as if they were one unit
        ranks = _ranks_at_equal_size(
            _undefined_last(effect).numpy().reshape(units),
            parameters[name].abs().cpu().numpy().reshape(units),
            mask.reshape(units),
        ).reshape(mask.shape)
        scores[name] = torch.from_numpy(ranks + stream.random(mask.shape) / _STRATUM)
    return scores


def _effects(trained: Trained) -> Mapping[str, Tensor]:
    """Return Δ|κ| for every prunable weight, NaN where undefined; 0 for biases."""
    inputs, _ = trained.task.samples("train", 0, _SAMPLES)
    layers = {name: name.removesuffix(".weight") for name, mask in trained.masks.items() if mask.ndim == 2}
    seen = layer_inputs(trained.network, list(layers.values()), inputs)
    effects: dict[str, Tensor] = {}
    for name, parameter in trained.parameters().items():
        if name in layers:
            found = cavity_effect(parameter.cpu(), seen[layers[name]], mask=trained.masks[name])
            effects[name] = torch.from_numpy(found.delta_abs_kurtosis)
        else:
            effects[name] = torch.zeros(parameter.shape, dtype=torch.float64)
    return effects


def _undefined_last(effect: Tensor) -> Tensor:
    return effect.nan_to_num(nan=torch.inf)


def _ranks_at_equal_size(effect: np.ndarray, size: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the rank of each effect within its stratum (ties by index) over its size; 0 where masked.

    All strata of all units are ranked in two sorts; one sort for each stratum would be a Python loop over
    every tenth weight.
    """
    unit, column = np.nonzero(mask)
    by_size = np.lexsort((size[unit, column], unit))
    first_of_unit = np.searchsorted(unit, unit)  # np.nonzero lists units in order
    stratum = np.empty(len(unit), np.int64)
    stratum[by_size] = (np.arange(len(unit)) - first_of_unit) // _STRATUM
    by_effect = np.lexsort((effect[unit, column], stratum, unit))
    _, start, count = np.unique(
        np.stack([unit, stratum])[:, by_effect], axis=1, return_index=True, return_counts=True
    )
    scores = np.zeros(mask.shape)
    within = np.arange(len(unit)) - np.repeat(start, count)
    scores[unit[by_effect], column[by_effect]] = within / np.repeat(count, count)
    return scores
