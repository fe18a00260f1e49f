"""Levels of SiftingFeatures and IMPforFCN: ``IMP_itdata_*.pkl``, read without executing the pickle."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._input_scale import InputScale, scale_in_words
from sparsight.interchange._pruned_state import PrunedState
from sparsight.network import FullyConnected, NetworkSettings
from sparsight.pickles import read_restricted_pickle

# The order of the pickled list. ``weil`` and ``amvl`` are lists over the last stored steps, then over layers.
_FIELDS = ("arch", "ratios", "Tpoints", "sl", "sel", "tl", "el", "weil", "amvl", "mask")


@dataclass(frozen=True, eq=False, kw_only=True)
class PeerLevel:
    """One level of an ancestor's run, at one of its stored steps.

    Attributes
    ----------
    network : FullyConnected
        In evaluation mode, with the weights of `step` and BatchNorm (eps 1e-10) on every layer's input.
    pruned : PrunedState
        Weights and biases with their masks.
    step, steps : int, list of int
        The step that was read, and those whose weights the file holds.
    validation_error : float or None
        Measured by the ancestor at `step`; None if it measured none then.
    statistics_are_of_step : bool
        Whether the BatchNorm statistics can belong to `step`. The ancestors' code stores the same list for
        all steps, with what it held at the end: they then belong to the last step alone.
    inputs : InputScale
        Nothing in the file says on which scale the network takes its inputs; `note` says which scale the
        statistics of the first BatchNorm fit.
    """

    network: FullyConnected
    settings: NetworkSettings
    pruned: PrunedState
    step: int
    steps: list[int]
    validation_error: float | None
    statistics_are_of_step: bool
    inputs: InputScale


def read_peer_level(path: str | Path, step: int | None = None) -> PeerLevel:
    """Read a file ``IMP_itdata_<level>.pkl`` as the ancestors' code writes it.

    The file is a pickled list of ten fields: architecture, ratios, stored steps, steps, validated steps,
    training and validation errors, weights, BatchNorm statistics (each by stored step, then by layer), masks.
    A fully connected layer has W of shape (in, out), b, and γ and β of the BatchNorm on its input; it has
    masks for W and b. The format was taken from the public code of both projects; no file of theirs was
    available for a test.

    Parameters
    ----------
    step : int, optional
        One of the stored steps. Default: the last.

    Raises
    ------
    InputError
        If the file is not such a list, holds anything but arrays and plain values, has a layer that is not
        fully connected or another number of validation errors than of validated steps, or lacks the step.
    """
    # Not pickle.load: the file may come from anybody, and unpickling executes what it names. The restricted
    # reader interprets only arrays, containers and plain values.
    path = Path(path)
    content = read_restricted_pickle(path)
    if not isinstance(content, list) or len(content) != len(_FIELDS):
        raise InputError(f"{path} is not a level of an ancestor's run: a list of {len(_FIELDS)} is needed")
    fields = dict(zip(_FIELDS, content, strict=True))
    # Whatever the content is, the user gets one line: a list of ten need not be the right list of ten.
    try:
        # The list may name more steps than the file has weights for; the weights are those of the last.
        steps = [int(each) for each in fields["Tpoints"]]
        steps = steps[-len(fields["weil"]) :]
        chosen = steps[-1] if step is None else step
        if chosen not in steps:
            raise InputError(f"{path}: step {step} is not stored; there are {_listed(steps)}")
        index = steps.index(chosen)
        sizes = [_size(layer, path) for layer in fields["arch"]]
        _check_sizes(sizes, path)
        settings = NetworkSettings(
            widths=tuple(size for _, size in sizes[:-1]), batch_norm="input", batch_norm_eps=1e-10
        )
        pruned = _pruned(fields["weil"][index], fields["amvl"][index], fields["mask"], sizes, path)
        error = _error_at(chosen, fields["sel"], fields["el"])
        own_statistics = chosen == steps[-1] or not _is_same(fields["amvl"][index], fields["amvl"][-1], sizes)
    except InputError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error_:
        raise InputError(
            f"{path} is not a level of an ancestor's run ({type(error_).__name__}: {error_})"
        ) from None
    network = FullyConnected(sizes[0][0], sizes[-1][1], settings)
    network.load_state_dict(pruned.state, strict=False)
    return PeerLevel(
        network=network.eval(),
        settings=settings,
        pruned=pruned,
        step=chosen,
        steps=steps,
        validation_error=error,
        statistics_are_of_step=own_statistics,
        inputs=InputScale(
            shape=(sizes[0][0],),
            channel_mean=None,
            channel_sd=None,
            note=scale_in_words(pruned.state["norm_0.running_mean"], pruned.state["norm_0.running_var"]),
        ),
    )


def _error_at(step: int, steps: Any, errors: Any) -> float | None:
    """Return the validation error that was measured at a step, if one was."""
    measured = [int(each) for each in steps]
    # The ancestors' code appends to both lists at once: if they differ, nobody knows which error is whose.
    if len(measured) != len(errors):
        raise ValueError(f"{len(measured)} validated steps have {len(errors)} validation errors")
    return float(errors[measured.index(step)]) if step in measured else None


def _is_same(statistics: Any, others: Any, sizes: list[tuple[int, int]]) -> bool:
    """Return whether two steps have the same BatchNorm statistics, in every layer."""
    if statistics is others:
        return True
    for depth, (fan_in, _) in enumerate(sizes):
        one, other = (_counted(each[depth], (2, fan_in)) for each in (statistics, others))
        if one is None or other is None or not np.array_equal(one, other):
            return False
    return True


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps[:20])) + (f" and {len(steps) - 20} more" if len(steps) > 20 else "")


def _size(layer: Any, path: Path) -> tuple[int, int]:
    kind, size = layer[0], layer[1]
    # Only text is printed: a list may hold itself many times over, and its text would fill the memory.
    if not isinstance(kind, str) or kind not in ("f", "x"):
        found = f"{kind!r:.20}" if isinstance(kind, str) else f"a {type(kind).__name__}"
        raise InputError(f"{path}: a layer is of kind {found}; only fully connected ones (f, x) can be read")
    fan_in, fan_out = (_extent(each) for each in size)
    return fan_in, fan_out


def _extent(value: Any) -> int:
    extent = int(value)
    if extent < 1:
        raise ValueError(f"a layer has {extent} units")
    return extent


def _check_sizes(sizes: list[tuple[int, int]], path: Path) -> None:
    """Refuse layers that do not follow each other, or are larger than the file: nothing is built for them."""
    if not sizes:
        raise InputError(f"{path} holds no layer; at least one is needed")
    for depth, ((_, fan_out), (fan_in, _)) in enumerate(itertools.pairwise(sizes)):
        if fan_out != fan_in:
            raise InputError(
                f"{path}: layer {depth} has {fan_out} units, and layer {depth + 1} reads {fan_in}"
            )
    declared, size = sum(fan_in * fan_out for fan_in, fan_out in sizes), path.stat().st_size
    if declared > size:  # a weight and its mask take at least one byte each
        raise InputError(
            f"{path} declares {declared} weights and has {size} bytes: it is damaged or malicious"
        )


def _pruned(
    weights: Any, statistics: Any, masks: Any, sizes: list[tuple[int, int]], path: Path
) -> PrunedState:
    state: dict[str, Tensor] = {}
    kept: dict[str, Tensor] = {}
    for depth, (fan_in, fan_out) in enumerate(sizes):
        shapes = ((fan_in, fan_out), (fan_out,), (fan_in,), (fan_in,))
        mask, bias_mask = (
            _array(each, shape, f"{path}: mask of layer {depth}") != 0
            for each, shape in zip(masks[depth], shapes[:2], strict=True)
        )
        weight, bias, scale, shift = (
            _array(each, shape, f"{path}: layer {depth}", used)
            for each, shape, used in zip(weights[depth], shapes, (mask, bias_mask, None, None), strict=True)
        )
        mean, variance = _array(statistics[depth], (2, fan_in), f"{path}: BatchNorm of layer {depth}")
        arrays = {
            f"norm_{depth}.weight": scale,
            f"norm_{depth}.bias": shift,
            f"norm_{depth}.running_mean": mean,
            f"norm_{depth}.running_var": variance,
            # Pruned weights keep arbitrary values in the file, NaN too, which no product with a mask removes.
            f"linear_{depth}.weight": np.where(mask, weight, 0).T,
            f"linear_{depth}.bias": np.where(bias_mask, bias, 0),
        }
        state |= {name: torch.from_numpy(np.array(value, np.float32)) for name, value in arrays.items()}
        kept[f"linear_{depth}.weight"] = torch.from_numpy(np.ascontiguousarray(mask.T))
        kept[f"linear_{depth}.bias"] = torch.from_numpy(bias_mask)
        state[f"norm_{depth}.num_batches_tracked"] = torch.tensor(0)
    return PrunedState(state, kept)


def _counted(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return arrays, or lists nested as `shape` says, as one array; None if they are not of that shape.

    Lists are counted level by level before numpy gets them: a file of a few hundred bytes can nest one list
    in itself 60 times, which `numpy.asarray` would unfold to 2⁶⁰ numbers.
    """
    if isinstance(value, np.ndarray | np.generic | float | int):
        array = np.asarray(value)
        return array if array.shape == shape else None
    if not isinstance(value, list | tuple) or not shape or len(value) != shape[0]:
        return None
    parts = [_counted(each, shape[1:]) for each in value]
    return None if any(part is None for part in parts) else np.array(parts)


def _array(value: Any, shape: tuple[int, ...], what: str, used: np.ndarray | None = None) -> np.ndarray:
    """Return finite floats; where `used` is False they may be NaN or infinite."""
    array = _counted(value, shape)
    is_read = array is not None and array.dtype.kind == "f"
    if array is None or not is_read or not np.isfinite(array if used is None else array[used]).all():
        raise InputError(f"{what}: finite floats of shape {shape} are needed, in an array or lists")
    return array
