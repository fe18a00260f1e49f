"""Arrays of a level's files: from masks, weights and measures to what safetensors stores, and back."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sparsight.instruments import Quantity
from sparsight.prune import Level, State
from sparsight.store._level_record import RecordedQuantity
from sparsight.train import Masks

Measures = Mapping[str, Mapping[str, Quantity]]
"""Layer name → quantity name (``cavity.delta_kurtosis``) → quantity."""


_MOST_NUMBERS = 2**28
"""Largest number of values of a quantity that is read with classes left out: two gigabytes."""


def pack_weights(level: Level) -> dict[str, np.ndarray]:
    """Return the arrays of ``weights.safetensors``: kept weights in C order, other parameters whole."""
    states: dict[str, State] = {"final": level.final}
    if level.index == 0:
        states["initial"] = level.initial
        states["rewind"] = level.rewind or {}
    packed = {}
    for state, values in states.items():
        for name, value in values.items():
            # With 30 % pruned a level, all levels together then take 3.3 times the dense network, and not 13
            # times (docs/decisions.md, "Levels store kept weights only").
            is_masked = state == "final" and name in level.masks
            kept = value[level.masks[name]] if is_masked else value
            packed[f"{state}/{name}"] = np.ascontiguousarray(kept.numpy())
    return packed


def unpack_state(packed: Mapping[str, np.ndarray], prefix: str, masks: Masks) -> State:
    """Return the state dict below a prefix, dense; weights with a mask were packed under it."""
    state: State = {}
    for key, value in packed.items():
        if not key.startswith(prefix):
            continue
        name, tensor = key.removeprefix(prefix), torch.from_numpy(value.copy())
        if name in masks:
            dense = torch.zeros(masks[name].shape, dtype=tensor.dtype)
            dense[masks[name]] = tensor
            tensor = dense
        state[name] = tensor
    return state


def pack_snapshots(level: Level) -> dict[str, np.ndarray]:
    """Return the arrays of ``snapshots.safetensors``: ``<steps>/<parameter>``, of weights the kept ones."""
    return {
        f"{step}/{name}": np.ascontiguousarray(
            (value[level.masks[name]] if name in level.masks else value).numpy()
        )
        for step, state in level.snapshots.items()
        for name, value in state.items()
    }


def by_step(entries: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return entries ``<steps>/<name>`` by the number of steps, in rising order, and by name."""
    steps: dict[int, dict[str, Any]] = {}
    for key, value in entries.items():
        step, _, name = key.partition("/")
        steps.setdefault(int(step), {})[name] = value
    return dict(sorted(steps.items()))


def pack_masks(level: Level) -> dict[str, np.ndarray]:
    """Return the arrays of ``masks.safetensors``: eight weights a byte."""
    kinds = {"masks": level.masks, "next_masks": level.next_masks, "initial_masks": level.initial_masks or {}}
    return {
        f"{kind}/{name}": np.packbits(mask.numpy().reshape(-1))
        for kind, masks in kinds.items()
        for name, mask in masks.items()
    }


def mask_shapes(masks: Masks) -> dict[str, str]:
    """Return the shapes of masks as metadata of a safetensors file, whose values are strings.

    It is one entry: safetensors writes several in another order each time, and equal levels would have files
    with other bytes.
    """
    return {"shapes": json.dumps({name: list(mask.shape) for name, mask in sorted(masks.items())})}


def unpack_masks(packed: Mapping[str, np.ndarray], shapes: Mapping[str, list[int]], kind: str) -> Masks:
    """Return ``masks``, ``next_masks`` or ``initial_masks``, named by `kind`.

    Raises ValueError if a shape does not fit its bits, KeyError if there are none of this kind.
    """
    masks: Masks = {}
    for name, shape in shapes.items():
        packed_bits, num_weights = packed[f"{kind}/{name}"], math.prod(shape)
        # Checked before unpacking: a foreign record could claim a shape that takes all memory.
        if min(shape, default=0) < 0 or len(packed_bits) != -(-num_weights // 8):
            raise ValueError(f"{len(packed_bits)} bytes are not a mask of shape {shape}")
        bits = np.unpackbits(packed_bits, count=num_weights)
        masks[name] = torch.from_numpy(bits.astype(bool).reshape(shape))
    return masks


def pack_measures(masks: Masks, measures: Measures) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays for ``measures.safetensors``, and the description of every quantity for the record."""
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any] = {}
    for layer, quantities in measures.items():
        described[layer] = {}
        for name, quantity in quantities.items():
            entry: dict[str, Any] = {
                "dims": list(quantity.dims),
                "definition": quantity.definition,
                "unit": quantity.unit,
            }
            if quantity.dims:
                array = np.asarray(quantity.value)
                if quantity.dims == ("unit", "input"):
                    array = array[masks[f"{layer}.weight"].numpy()]
                elif (
                    quantity.dims == ("class", "unit")
                    and len(present := _classes_with_values(array)) <= len(array) / 2
                ):
                    # 1000 classes of two samples each have no statistics; they would fill gigabytes with NaN.
                    entry["num_classes"] = len(array)
                    arrays[f"{layer}/{name}/classes"], array = present, array[present]
                arrays[f"{layer}/{name}"] = np.ascontiguousarray(array)
            else:
                number = float(quantity.value)
                entry["value"] = number if math.isfinite(number) else None  # JSON has no NaN
            described[layer][name] = entry
    return arrays, described


def unpack_quantity(
    layer: str, name: str, entry: RecordedQuantity, arrays: Mapping[str, np.ndarray], masks: Masks
) -> Quantity:
    """Return a quantity from its description in the record and, unless it is a number, its array."""
    dims = tuple(entry.dims)
    value: float | np.ndarray
    if not dims:
        value = math.nan if entry.value is None else entry.value
    elif dims == ("unit", "input"):
        mask = masks[f"{layer}.weight"].numpy()
        kept_values = arrays[f"{layer}/{name}"]
        value = np.zeros(mask.shape, kept_values.dtype)
        value[mask] = kept_values
    else:
        value = arrays[f"{layer}/{name}"]
        if entry.num_classes is not None:
            value = _with_all_classes(value, arrays[f"{layer}/{name}/classes"], entry.num_classes)
    return Quantity(value, dims, entry.definition, entry.unit)


def _classes_with_values(array: np.ndarray) -> np.ndarray:
    """Return the classes that have a value of any unit; all of them where the values are no floats."""
    if array.dtype.kind != "f":
        return np.arange(len(array))
    return np.flatnonzero(~np.isnan(array).all(axis=1))


def _with_all_classes(present: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the values of the classes that have some, and NaN for the others."""
    # A foreign record could claim a number that takes all memory.
    if num_classes * present.shape[-1] > _MOST_NUMBERS or len(classes) != len(present):
        raise ValueError(f"{len(present)} of {num_classes} classes are not the values of {len(classes)}")
    if len(classes) and not 0 <= classes.min() <= classes.max() < num_classes:
        raise ValueError(f"classes run from {classes.min()} to {classes.max()} of {num_classes}")
    value = np.full((num_classes, *present.shape[1:]), np.nan, present.dtype)
    value[classes] = present
    return value
