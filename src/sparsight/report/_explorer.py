"""Data of the explorer: the receptive fields of all units and levels, small enough to travel in the page.

A pruned weight stays pruned, so one byte per weight, the level that it survives to, holds the masks of all
levels. Values are stored at kept weights only and in few steps (docs/decisions.md, "The page carries dense
levels in three colours, sparse ones in thirty-one").
"""

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sparsight.figures import SATURATION, evenly_spaced, words_of
from sparsight.measure import HISTOGRAM_EDGES
from sparsight.report._level_views import LevelView

# Bytes before base64, which makes 4 of 3. The whole page should stay under 8 MB.
WEIGHT_BUDGET = 1_800_000
CAVITY_BUDGET = 400_000
HISTOGRAM_BUDGET = 1_600_000  # before compression, which leaves less than half
_COARSEST, _COARSE, _FINE, _CAVITY = 1, 2, 15, 7
"""Steps on either side of 0: the eye tells few apart in a dense field, which looks like noise."""
_SPARSE_SHARE = 0.4
"""Share of the budget beyond the coarsest steps that goes to fine steps, starting with the sparsest level;
the rest goes to coarse steps for denser levels."""
_FULL = 127  # codes run from −127 to 127; −128 stands for undefined
_PEAK = 255
_PER_UNIT = {
    "near": "locality.near_per_unit",
    "share": "locality.attained_share_per_unit",
    "kurtosis": "gaussianity.excess_kurtosis_per_unit",
    "ipr": "locality.ipr_per_unit",
    "mean": "gaussianity.mean_per_unit",
}


class _Detail(NamedTuple):
    """How much of one level the page carries."""

    steps: int
    with_cavity: bool
    with_histogram: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class _Level:
    facts: dict[str, Any]  # plain numbers; a list has one entry per unit
    mask: np.ndarray  # bits of the mask, eight to a byte
    weights: np.ndarray  # codes of the kept weights
    cavity: np.ndarray | None  # codes of Δκ at the kept weights
    bars: np.ndarray | None  # heights of the histogram, (unit, bin)


class Packer:
    """Levels of one condition, collected one by one and packed once the sizes of all are known."""

    def __init__(self, condition: str, replicate: int) -> None:
        self.condition, self.replicate = condition, replicate
        self.is_monotone = True  # no weight has come back so far; else `survival` cannot hold the masks
        self._survival = np.zeros((0, 0), np.uint8)
        self._levels: list[_Level] = []

    def add(self, view: LevelView) -> None:
        """Add the next level."""
        if not self._levels:
            self._survival = np.zeros(view.mask.shape, np.uint8)
        self.is_monotone &= not (view.mask & (self._survival < view.index)).any()
        self._survival[view.mask] = view.index + 1
        weights, weight_limits = _codes(view.weight, view.mask)
        facts = {
            "index": view.index,
            "density": view.density,
            "accuracy": view.accuracy,
            "weightLimits": _rounded(weight_limits),
            "cavityLimits": None,
            "peaks": None,
            "sd": None,
        }
        measured = {name: quantity.value for name, quantity in view.quantities.items()}
        cavity = bars = None
        if "cavity.delta_kurtosis" in measured:
            delta = np.asarray(measured["cavity.delta_kurtosis"], np.float64)
            cavity, limits = _codes(delta, view.mask)
            facts["cavityLimits"] = _rounded(limits)
        if "gaussianity.histogram_per_unit" in measured:
            bars, peaks = _bars(np.asarray(measured["gaussianity.histogram_per_unit"]))
            facts["peaks"] = _rounded(peaks)
        if "gaussianity.variance_per_unit" in measured:
            facts["sd"] = _rounded(np.sqrt(measured["gaussianity.variance_per_unit"]))
        facts |= {key: _rounded(measured[name]) for key, name in _PER_UNIT.items() if name in measured}
        self._levels.append(
            _Level(facts=facts, mask=np.packbits(view.mask), weights=weights, cavity=cavity, bars=bars)
        )

    @property
    def sizes(self) -> list[int]:
        """Number of kept weights at each level."""
        return [len(level.weights) for level in self._levels]

    @property
    def histogram_bytes(self) -> int:
        """Bytes of the histograms of all levels before compression."""
        return sum(level.bars.size for level in self._levels if level.bars is not None)

    @property
    def num_units(self) -> int:
        """Number of units of the layer."""
        return len(self._survival)

    def packed(self, units: np.ndarray, details: Sequence[_Detail]) -> dict[str, Any]:
        """Return the condition as plain values: some units, each level in its own detail."""
        return {
            "name": self.condition,
            "replicate": self.replicate,
            "survival": _compressed(self._survival[units]),
            "levels": [
                self._packed_level(level, units, detail)
                for level, detail in zip(self._levels, details, strict=True)
            ],
        }

    def _packed_level(self, level: _Level, units: np.ndarray, detail: _Detail) -> dict[str, Any]:
        mask = np.unpackbits(level.mask, count=self._survival.size).astype(bool)
        mask = mask.reshape(self._survival.shape)
        packed = {
            name: [value[unit] for unit in units] if isinstance(value, list) else value
            for name, value in level.facts.items()
        }
        packed["steps"] = detail.steps
        packed["weights"] = _compressed(_coarser(_of(units, mask, level.weights), detail.steps))
        if level.cavity is not None and detail.with_cavity:
            packed["cavitySteps"] = _CAVITY
            packed["cavity"] = _compressed(_coarser(_of(units, mask, level.cavity), _CAVITY))
        if level.bars is not None and detail.with_histogram:
            packed["histogram"] = _compressed(level.bars[units])
        return packed


def pack(packers: Sequence[Packer]) -> dict[str, Any]:
    """Return the explorer's data within the budgets, for as many units as fit.

    `units` are indices into the layer; `names` maps the key of a number per unit to its words.
    """
    num_units = min((packer.num_units for packer in packers), default=0)
    sizes = [size for packer in packers for size in packer.sizes]
    coarsest = sum(sizes) * _bytes_per_value(_COARSEST)
    share = min(1.0, WEIGHT_BUDGET / coarsest) if coarsest else 1.0
    units = evenly_spaced(num_units, max(1, math.floor(share * num_units)))
    kept = [size * len(units) / max(num_units, 1) for size in sizes]
    steps = _steps_within(kept, WEIGHT_BUDGET)
    cavity = _smallest_within(kept, CAVITY_BUDGET, _bytes_per_value(_CAVITY))
    most = max((len(packer.sizes) for packer in packers), default=0)
    bars = sum(packer.histogram_bytes for packer in packers) * len(units) / max(num_units, 1)
    num_histograms = most if bars <= HISTOGRAM_BUDGET else max(1, int(most * HISTOGRAM_BUDGET / bars))
    conditions, start = [], 0
    for packer in packers:
        num_levels = len(packer.sizes)
        stop = start + num_levels
        histogram = np.isin(np.arange(num_levels), evenly_spaced(num_levels, num_histograms)).tolist()
        details = map(_Detail, steps[start:stop], cavity[start:stop], histogram)
        conditions.append(packer.packed(units, list(details)))
        start = stop
    return {
        "units": units.tolist(),
        "numUnits": num_units,
        "saturation": SATURATION,
        "edges": HISTOGRAM_EDGES.tolist(),
        "names": {key: short for key, name in _PER_UNIT.items() if (short := words_of(name).short)},
        "conditions": conditions,
    }


def _codes(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return kept values as codes −127 … 127 (−128: undefined), and the value of code 127, by unit."""
    kept = np.where(mask, np.nan_to_num(values), 0)
    rms = np.sqrt((kept.astype(np.float64) ** 2).sum(axis=1) / np.maximum(mask.sum(axis=1), 1))
    limits = np.where(rms > 0, SATURATION * rms, 1.0)
    scaled = np.rint(np.clip(kept / limits[:, None], -1, 1) * _FULL)
    codes = np.where(np.isnan(values), -_FULL - 1, scaled).astype(np.int8)
    return codes[mask], limits


def _bars(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts as heights 0 … 255, and the share of samples that 255 stands for, by unit."""
    peak = counts.max(axis=1, keepdims=True)
    bars = np.rint(_PEAK * counts / np.maximum(peak, 1)).astype(np.uint8)
    return bars, peak[:, 0] / np.maximum(counts.sum(axis=1), 1)


def _coarser(codes: np.ndarray, steps: int) -> np.ndarray:
    """Return codes in `steps` steps on either side of 0, as uint8: 0 is undefined, `steps` + 1 is zero."""
    rounded = np.rint(codes.astype(np.float32) * (steps / _FULL)) + steps + 1
    return np.asarray(np.where(codes < -_FULL, 0, rounded), np.uint8)


def _of(units: np.ndarray, mask: np.ndarray, kept_values: np.ndarray) -> np.ndarray:
    """Return those of the values at kept weights that belong to some units."""
    if len(units) == len(mask):
        return kept_values
    chosen = np.zeros(mask.shape, bool)
    chosen[units] = True
    return np.asarray(kept_values[chosen[mask]])


def _bytes_per_value(steps: int) -> float:
    # Entropy of a Gaussian in bins of SATURATION / steps standard deviations, at most that of equally
    # frequent codes, and 5 % for what compression does not reach.
    gaussian = 0.5 * math.log2(2 * math.pi * math.e) + math.log2(steps / SATURATION)
    return 1.05 * min(gaussian, math.log2(2 * steps + 1)) / 8


def _steps_within(sizes: Sequence[float], budget: float) -> list[int]:
    """Return the steps of each level: finer for sparser levels, whose single weights can be seen."""
    rest = budget - sum(sizes) * _bytes_per_value(_COARSEST)
    to_fine = _bytes_per_value(_FINE) - _bytes_per_value(_COARSEST)
    fine = _smallest_within(sizes, rest * _SPARSE_SHARE, to_fine)
    rest -= to_fine * sum(size for size, is_fine in zip(sizes, fine, strict=True) if is_fine)
    others = [math.inf if is_fine else size for size, is_fine in zip(sizes, fine, strict=True)]
    coarse = _smallest_within(others, rest, _bytes_per_value(_COARSE) - _bytes_per_value(_COARSEST))
    return [
        _FINE if is_fine else _COARSE if is_coarse else _COARSEST
        for is_fine, is_coarse in zip(fine, coarse, strict=True)
    ]


def _smallest_within(sizes: Sequence[float], budget: float, bytes_per_value: float) -> list[bool]:
    """Return which levels fit into the budget, filled from the smallest level on."""
    chosen = [False] * len(sizes)
    for place in np.argsort(sizes, kind="stable"):
        budget -= sizes[place] * bytes_per_value
        if budget < 0:
            break
        chosen[int(place)] = True
    return chosen


def _compressed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 6)).decode()


def _rounded(values: Any) -> list[float | None]:
    return [float(f"{value:.3g}") if math.isfinite(value) else None for value in np.asarray(values).tolist()]
