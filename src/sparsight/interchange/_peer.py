"""Levels of SiftingFeatures and IMPforFCN: ``IMP_itdata_*.pkl``, read without running them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._pruned_state import PrunedState
from sparsight.network import FullyConnected, NetworkSettings
from sparsight.pickles import read_restricted_pickle

_FIELDS = ("arch", "ratios", "Tpoints", "sl", "sel", "tl", "el", "weil", "amvl", "mask")


@dataclass(frozen=True, eq=False)
class PeerLevel:
    """One level of an ancestor's run.

    Attributes
    ----------
    network : FullyConnected
        BatchNorm on every layer's input, eps 1e-10; in evaluation mode, with the weights of `step`.
    settings : NetworkSettings
    pruned : PrunedState
        Weights and biases with their masks, layer by layer.
    step : int
        Of the stored steps of this level, the one asked for.
    steps : list of int
        All that are stored.
    validation_error : float
        The last.
    """

    network: FullyConnected
    settings: NetworkSettings
    pruned: PrunedState
    step: int
    steps: list[int]
    validation_error: float


def read_peer_level(path: Path, step: int | None = None) -> PeerLevel:
    """Read a file ``IMP_itdata_<level>.pkl`` as the ancestors' code writes it.

    It is a pickled list of ten: architecture, ratios, stored steps, steps, validated steps, training and
    validation errors, weights, BatchNorm statistics (each by stored step, then layer), masks. A fully
    connected layer has W of shape (in, out), b, γ and β of the BatchNorm on its input; its masks are of W
    and b. Pruned weights keep stray values in the file, which the network multiplies by the mask: here they
    are 0. Seen in the public code of both; no file of theirs was at hand.

    Parameters
    ----------
    path : Path
    step : int, optional
        Default: the last that is stored.

    Raises
    ------
    InputError
        If the file is no such list, holds anything but arrays and plain values, has layers other than
        fully connected ones, or not that step.
    """
    content = read_restricted_pickle(path)
    if not isinstance(content, list) or len(content) != len(_FIELDS):
        raise InputError(f"{path} is no level of an ancestor's run: a list of {len(_FIELDS)} is needed")
    fields = dict(zip(_FIELDS, content, strict=True))
    try:
        steps = [int(each) for each in fields["Tpoints"]]
        steps = steps[-len(fields["weil"]) :]
        chosen = steps[-1] if step is None else step
        if chosen not in steps:
            raise InputError(f"{path}: step {step} is not stored; there are {', '.join(map(str, steps))}")
        index = steps.index(chosen)
        sizes = [_size(layer, path) for layer in fields["arch"]]
        settings = NetworkSettings(
            widths=tuple(size for _, size in sizes[:-1]), batch_norm="input", batch_norm_eps=1e-10
        )
        pruned = _pruned(fields["weil"][index], fields["amvl"][index], fields["mask"], sizes, path)
        error = float(fields["el"][-1])
    except (TypeError, ValueError, IndexError, KeyError) as error_:
        raise InputError(
            f"{path} is no level of an ancestor's run ({type(error_).__name__}: {error_})"
        ) from None
    network = FullyConnected(sizes[0][0], sizes[-1][1], settings)
    network.load_state_dict(pruned.state, strict=False)
    return PeerLevel(network.eval(), settings, pruned, chosen, steps, error)


def _size(layer: Any, path: Path) -> tuple[int, int]:
    kind, size = layer[0], layer[1]
    if kind not in ("f", "x"):
        raise InputError(f"{path}: a layer is of kind {kind!r}; only fully connected ones (f, x) are read")
    fan_in, fan_out = (int(extent) for extent in size)
    return fan_in, fan_out


def _pruned(
    weights: Any, statistics: Any, masks: Any, sizes: list[tuple[int, int]], path: Path
) -> PrunedState:
    state: dict[str, Tensor] = {}
    kept: dict[str, Tensor] = {}
    for depth, (fan_in, fan_out) in enumerate(sizes):
        shapes = ((fan_in, fan_out), (fan_out,), (fan_in,), (fan_in,))
        weight, bias, scale, shift = (
            _array(each, shape, f"{path}: layer {depth}")
            for each, shape in zip(weights[depth], shapes, strict=True)
        )
        mask, bias_mask = (
            _array(each, shape, f"{path}: mask of layer {depth}") != 0
            for each, shape in zip(masks[depth], shapes[:2], strict=True)
        )
        mean, variance = _array(statistics[depth], (2, fan_in), f"{path}: BatchNorm of layer {depth}")
        arrays = {
            f"norm_{depth}.weight": scale,
            f"norm_{depth}.bias": shift,
            f"norm_{depth}.running_mean": mean,
            f"norm_{depth}.running_var": variance,
            f"linear_{depth}.weight": (weight * mask).T,
            f"linear_{depth}.bias": bias * bias_mask,
        }
        state |= {name: torch.from_numpy(np.array(value, np.float32)) for name, value in arrays.items()}
        kept[f"linear_{depth}.weight"] = torch.from_numpy(np.ascontiguousarray(mask.T))
        kept[f"linear_{depth}.bias"] = torch.from_numpy(bias_mask)
        state[f"norm_{depth}.num_batches_tracked"] = torch.tensor(0)
    return PrunedState(state, kept)


def _array(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(f"{what}: finite floats of shape {shape} are needed, not {array.dtype}{array.shape}")
    return array
