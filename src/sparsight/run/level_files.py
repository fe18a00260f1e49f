"""The files of one level: weights, masks and measures, and the page that vouches for them.

``weights.safetensors`` holds the values of kept weights only (C order under the mask), other parameters
whole; ``masks.safetensors`` holds masks as packed bits (``numpy.packbits``); ``measures.safetensors`` the
arrays of the instruments; ``level.json`` everything else, and the SHA-256 of its three siblings. A level
exists when its ``level.json`` does.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as serialise
from torch import nn

from sparsight.errors import InputError
from sparsight.measure.instrument import Quantity
from sparsight.prune.imp import Level, State
from sparsight.run.atomic import sha256_of, write_atomically
from sparsight.train import Curve, Masks

FORMAT_VERSION = 1
WEIGHTS, MASKS, MEASURES, PAGE = (
    "weights.safetensors",
    "masks.safetensors",
    "measures.safetensors",
    "level.json",
)

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
        Made if it is not there.
    level : Level
    measures : mapping
    facts : mapping
        Plain values for ``level.json`` beside what the level itself holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / WEIGHTS, serialise(_pack_weights(level)))
    write_atomically(folder / MASKS, serialise(_pack_masks(level), _mask_shapes(level.masks)))
    write_page(folder, _page_of(level) | dict(facts), level.masks, measures)


def write_page(folder: Path, page: Mapping[str, Any], masks: Masks, measures: Measures) -> None:
    """Write a level's measures and then its ``level.json``, from the page's other facts."""
    arrays, described = _pack_measures(masks, measures)
    write_atomically(folder / MEASURES, serialise(arrays))
    digests = {name: sha256_of(folder / name) for name in (WEIGHTS, MASKS, MEASURES)}
    content = dict(page) | {"measures": described, "files": digests}
    write_atomically(folder / PAGE, json.dumps(content, indent=1, allow_nan=False).encode())


def read_page(folder: Path) -> dict[str, Any]:
    """Return the content of a level's ``level.json``.

    Raises
    ------
    InputError
        If it is missing, damaged, or of a newer format.
    """
    path = folder / PAGE
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
        version = page["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is missing or damaged ({type(error).__name__}: {error})") from None
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path} has format {version}; this sparsight reads up to {FORMAT_VERSION}: install a newer one"
        )
    return dict(page)


def check_level(folder: Path) -> list[str]:
    """Return what is wrong with a level's files, one line each; nothing if they are whole."""
    try:
        page = read_page(folder)
    except InputError as error:
        return [str(error)]
    problems = []
    for name in (WEIGHTS, MASKS, MEASURES):
        path = folder / name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif sha256_of(path) != page.get("files", {}).get(name):
            problems.append(f"{path} is damaged: its SHA-256 is not the one in {PAGE}")
    return problems


def read_level(folder: Path) -> StoredLevel:
    """Read a level back, weights dense.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    problems = check_level(folder)
    if problems:
        raise InputError("; ".join(problems))
    page = read_page(folder)
    packed = _load(folder / MASKS)
    masks = _unpack_masks(packed, page["mask_shapes"], "masks")
    weights = _load(folder / WEIGHTS)
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
    page, arrays = read_page(folder), _load(folder / MEASURES)
    masks = _unpack_masks(_load(folder / MASKS), page["mask_shapes"], "masks")
    measures: dict[str, dict[str, Quantity]] = {}
    for layer, quantities in page["measures"].items():
        measures[layer] = {}
        for name, entry in quantities.items():
            dims = tuple(entry["dims"])
            value = arrays[f"{layer}/{name}"] if dims else _number(entry["value"])
            if dims == ("unit", "input"):
                value = _spread(arrays[f"{layer}/{name}"], masks[f"{layer}.weight"].numpy())
            measures[layer][name] = Quantity(value, dims, entry["definition"], entry["unit"])
    return measures


def _spread(kept_values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    dense = np.zeros(mask.shape, kept_values.dtype)
    dense[mask] = kept_values
    return dense


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is missing or damaged ({error})") from None


def _page_of(level: Level) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "index": level.index,
        "is_last": level.is_last,
        "seed": level.seed,
        "density": level.density,
        "num_kept": sum(int(mask.sum()) for mask in level.masks.values()),
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
        bits = np.unpackbits(packed[f"{kind}/{name}"], count=int(np.prod(shape)))
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
