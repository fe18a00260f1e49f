"""The files of one level: weights, masks and measures, and the page that vouches for them.

``weights.safetensors`` holds the values of kept weights only (C order under the mask), other parameters
whole; ``masks.safetensors`` holds masks as packed bits (``numpy.packbits``); ``measures.safetensors`` the
arrays of the instruments; ``level.json`` everything else, and the SHA-256 of its three siblings. A level
exists when its ``level.json`` does.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save as serialise
from torch import nn

from sparsight.atomic import sha256_of, write_atomically
from sparsight.errors import InputError
from sparsight.instruments import Quantity
from sparsight.prune import Level, State, num_kept_of
from sparsight.store._level_record import PAGE, read_record
from sparsight.store._sealed_json import write_sealed
from sparsight.train import Curve, Masks

WEIGHTS, MASKS, MEASURES = "weights.safetensors", "masks.safetensors", "measures.safetensors"

Measures = Mapping[str, Mapping[str, Quantity]]
"""Layer name → quantity name (``cavity.delta_kurtosis``) → quantity."""


@dataclass(frozen=True, eq=False)
class StoredLevel:
    """One level as it was stored.

    Attributes
    ----------
    index : int
    masks, next_masks : dict of str to Tensor of bool
    final : dict of str to Tensor
        Dense, exactly 0 outside the masks.
    initial, rewind : dict of str to Tensor or None
        Stored with level 0 only.
    page : dict
        The content of ``level.json``.
    """

    index: int
    masks: Masks
    next_masks: Masks
    final: State
    initial: State | None
    rewind: State | None
    page: dict[str, Any]

    def as_level(self, network: nn.Module, rewind: State | None) -> Level:
        """Return the level that `imp` can go on from; `rewind` is what level 0 stored."""
        return Level(
            index=self.index,
            masks=self.masks,
            next_masks=self.next_masks,
            initial=self.initial or {},
            final=self.final,
            rewind=rewind,
            curve=Curve(**self.page["curve"]),
            seed=self.page["seed"],
            network=network,
            is_last=self.page["is_last"],
        )


def write_level(folder: Path, level: Level, measures: Measures, facts: Mapping[str, Any]) -> None:
    """Write a level's files; the level exists once the last of them, ``level.json``, does.

    Parameters
    ----------
    folder : Path
        Made if it is not there; the replicate's folder, in which it is, must be.
    level : Level
    measures : mapping
    facts : mapping
        Plain values for ``level.json`` beside what the level itself holds.
    """
    folder.mkdir(exist_ok=True)  # in a replicate's folder that is there: a run that was moved is not remade
    write_atomically(folder / WEIGHTS, serialise(_pack_weights(level)))
    write_atomically(folder / MASKS, serialise(_pack_masks(level), _mask_shapes(level.masks)))
    write_record(folder, _page_of(level) | dict(facts), level.masks, measures)


def write_record(folder: Path, page: Mapping[str, Any], masks: Masks, measures: Measures) -> None:
    """Write a level's measures and then its ``level.json``, from the page's other facts."""
    arrays, described = _pack_measures(masks, measures)
    write_atomically(folder / MEASURES, serialise(arrays))
    digests = {name: sha256_of(folder / name) for name in (WEIGHTS, MASKS, MEASURES)}
    write_sealed(folder / PAGE, dict(page) | {"measures": described, "files": digests})


def check_level(folder: Path) -> dict[str, str]:
    """Return what is wrong with a level's files, by file name; nothing if they are whole.

    Raises
    ------
    NewerFormatError
        If a newer version wrote them: they are not damaged.
    """
    try:
        page = read_record(folder)
    except InputError as error:
        return {PAGE: str(error)}
    problems = {}
    for name in (WEIGHTS, MASKS, MEASURES):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            problems[name] = f"{path} is missing"
        elif sha256_of(path) != page["files"].get(name):
            problems[name] = f"{path} is damaged: its SHA-256 is not the one in {PAGE}"
    return problems


def read_level(folder: Path) -> StoredLevel:
    """Read a level back, weights dense. Its measures are not looked at.

    Raises
    ------
    InputError
        If a file of weights or masks, or the page, is missing or damaged.
    """
    problems = [problem for name, problem in check_level(folder).items() if name != MEASURES]
    if problems:
        raise InputError("; ".join(problems))
    page, packed, weights = read_record(folder), _load(folder / MASKS), _load(folder / WEIGHTS)
    with _fitting_its_page(folder):
        masks = _unpack_masks(packed, page["mask_shapes"], "masks")
        states = {
            state: _unpack_state(weights, f"{state}/", masks if state == "final" else {})
            for state in ("initial", "final", "rewind")
        }
        return StoredLevel(
            index=page["index"],
            masks=masks,
            next_masks=_unpack_masks(packed, page["mask_shapes"], "next_masks"),
            final=states["final"],
            initial=states["initial"] or None,
            rewind=states["rewind"] or None,
            page=page,
        )


def read_measures(folder: Path) -> dict[str, dict[str, Quantity]]:
    """Read what the instruments found, layer by layer; per-weight maps are 0 outside the mask.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    problems = [problem for name, problem in check_level(folder).items() if name != WEIGHTS]
    if problems:
        raise InputError("; ".join(problems))
    page, arrays, packed = read_record(folder), _load(folder / MEASURES), _load(folder / MASKS)
    with _fitting_its_page(folder):
        masks = _unpack_masks(packed, page["mask_shapes"], "masks")
        return {
            layer: {name: _quantity(f"{layer}/{name}", entry, arrays, masks) for name, entry in named.items()}
            for layer, named in page["measures"].items()
        }


def _quantity(key: str, entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray], masks: Masks) -> Quantity:
    dims = tuple(entry["dims"])
    value = arrays[key] if dims else _number(entry["value"])
    if dims == ("unit", "input"):
        value = _spread(arrays[key], masks[f"{key.partition('/')[0]}.weight"].numpy())
    return Quantity(value, dims, entry["definition"], entry["unit"])


@contextmanager
def _fitting_its_page(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{folder} is damaged: its files hold other arrays than {PAGE} says "
            f"({type(error).__name__}: {error})"
        ) from None


def _spread(kept_values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    dense = np.zeros(mask.shape, kept_values.dtype)
    dense[mask] = kept_values
    return dense


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, TypeError, AttributeError) as error:  # the last two: no dtype of numpy
        raise InputError(f"{path} is missing or damaged ({error})") from None


def _page_of(level: Level) -> dict[str, Any]:
    return {
        "index": level.index,
        "is_last": level.is_last,
        "seed": level.seed,
        "density": level.density,
        "num_kept": num_kept_of(level.masks),
        "num_prunable": sum(mask.numel() for mask in level.masks.values()),
        "mask_shapes": {name: list(mask.shape) for name, mask in level.masks.items()},
        "curve": asdict(level.curve),
    }


def _pack_weights(level: Level) -> dict[str, np.ndarray]:
    states: dict[str, State] = {"final": level.final}
    if level.index == 0:
        states["initial"] = level.initial
        states["rewind"] = level.rewind or {}
    packed = {}
    for state, values in states.items():
        for name, value in values.items():
            is_masked = state == "final" and name in level.masks
            kept = value[level.masks[name]] if is_masked else value
            packed[f"{state}/{name}"] = np.ascontiguousarray(kept.numpy())
    return packed


def _unpack_state(packed: Mapping[str, np.ndarray], prefix: str, masks: Masks) -> State:
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


def _pack_masks(level: Level) -> dict[str, np.ndarray]:
    return {
        f"{kind}/{name}": np.packbits(mask.numpy().reshape(-1))
        for kind, masks in (("masks", level.masks), ("next_masks", level.next_masks))
        for name, mask in masks.items()
    }


def _mask_shapes(masks: Masks) -> dict[str, str]:
    return {name: json.dumps(list(mask.shape)) for name, mask in masks.items()}


def _unpack_masks(packed: Mapping[str, np.ndarray], shapes: Mapping[str, list[int]], kind: str) -> Masks:
    masks: Masks = {}
    for name, shape in shapes.items():
        packed_bits, number = packed[f"{kind}/{name}"], math.prod(shape)
        if min(shape, default=0) < 0 or len(packed_bits) != -(-number // 8):  # before memory is taken
            raise ValueError(f"{len(packed_bits)} bytes are no mask of shape {shape}")
        bits = np.unpackbits(packed_bits, count=number)
        masks[name] = torch.from_numpy(bits.astype(bool).reshape(shape))
    return masks


def _pack_measures(masks: Masks, measures: Measures) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
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
                arrays[f"{layer}/{name}"] = np.ascontiguousarray(array)
            else:
                number = float(quantity.value)
                entry["value"] = number if math.isfinite(number) else None  # JSON knows no NaN
            described[layer][name] = entry
    return arrays, described
