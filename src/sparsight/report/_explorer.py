"""The receptive fields of a run, packed small enough to be carried inside the page."""

import base64
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsight.figures import SATURATION, evenly_spaced
from sparsight.instruments import Quantity
from sparsight.measure import HISTOGRAM_EDGES
from sparsight.store import Run

# Bytes before base64. The whole page shall stay under 8 MB, and base64 takes 4 for 3.
WEIGHT_BUDGET = 1_800_000
CAVITY_BUDGET = 400_000
HISTOGRAM_BUDGET = 1_600_000  # before compression, which leaves less than half
_COARSEST, _COARSE, _FINE, _CAVITY = 1, 2, 15, 7
"""Steps on either side of 0: the eye tells few apart in a dense field, which is noise there."""
_SPARSE_SHARE = 0.4
"""Of what is left of the budget once all levels are in the coarsest steps; the rest is for denser levels."""
_FULL = 127
_PER_UNIT = {
    "near": "locality.near_per_unit",
    "kurtosis": "gaussianity.excess_kurtosis_per_unit",
    "ipr": "locality.ipr_per_unit",
    "mean": "gaussianity.mean_per_unit",
}
_PEAK = 255


@dataclass(frozen=True, eq=False)
class LevelView:
    """What the page shows of one level of one layer.

    Attributes
    ----------
    index : int
    density, accuracy : float
    weight : numpy.ndarray of float32, (unit, input)
    mask, next_mask : numpy.ndarray of bool, (unit, input)
    quantities : dict of str to Quantity
    """

    index: int
    density: float
    accuracy: float
    weight: np.ndarray
    mask: np.ndarray
    next_mask: np.ndarray
    quantities: dict[str, Quantity]


def level_views(run: Run, condition: str, replicate: int, layer: str) -> Iterator[LevelView]:
    """Read the levels of one layer one after the other: only one is in memory."""
    name = f"{layer}.weight"
    for index in range(run.directory.num_levels(condition, replicate)):
        stored = run.level(condition, replicate, index)
        yield LevelView(
            index=index,
            density=stored.record.density,
            accuracy=stored.record.test_accuracy,
            weight=stored.final[name].numpy(),
            mask=stored.masks[name].numpy(),
            next_mask=stored.next_masks[name].numpy(),
            quantities=run.measures(condition, replicate, index).get(layer, {}),
        )


class Packer:
    """Collects the levels of one condition, and packs them once the sizes of all are known.

    A weight that is pruned stays pruned, so one number a weight, the level that it survives to, holds the
    masks of all levels. Values are stored at kept weights only, in few steps: fewer in dense levels, where
    there are many and single ones cannot be seen.

    Parameters
    ----------
    condition : str
    replicate : int
    """

    def __init__(self, condition: str, replicate: int) -> None:
        self.condition, self.replicate = condition, replicate
        self.is_monotone = True
        self._survival = np.zeros((0, 0), np.uint8)
        self._levels: list[dict[str, Any]] = []
        self._weights: list[np.ndarray] = []
        self._cavities: list[np.ndarray | None] = []
        self._histograms: list[np.ndarray | None] = []
        self._masks: list[np.ndarray] = []

    def add(self, view: LevelView) -> None:
        """Take in the next level."""
        if not self._levels:
            self._survival = np.zeros(view.mask.shape, np.uint8)
        self.is_monotone &= not (view.mask & (self._survival < view.index)).any()
        self._survival[view.mask] = view.index + 1
        weights, weight_limits = _codes(view.weight, view.mask)
        cavity = view.quantities.get("cavity.delta_kurtosis")
        cavity_limits: np.ndarray | None = None
        if cavity is not None:
            codes, cavity_limits = _codes(np.asarray(cavity.value, np.float64), view.mask)
            self._cavities.append(codes)
        else:
            self._cavities.append(None)
        histogram = view.quantities.get("gaussianity.histogram_per_unit")
        variance = view.quantities.get("gaussianity.variance_per_unit")
        bars, peaks = (None, None) if histogram is None else _bars(np.asarray(histogram.value))
        self._histograms.append(bars)
        self._weights.append(weights)
        self._masks.append(np.packbits(view.mask))
        self._levels.append(
            {
                "index": view.index,
                "density": view.density,
                "accuracy": view.accuracy,
                "weightLimits": _rounded(weight_limits),
                "cavityLimits": None if cavity_limits is None else _rounded(cavity_limits),
                "peaks": None if peaks is None else _rounded(peaks),
                "sd": None if variance is None else _rounded(np.sqrt(variance.value)),
                **{name: _rounded(view.quantities[key].value) for name, key in _PER_UNIT.items()
                   if key in view.quantities},
            }
        )  # fmt: skip

    @property
    def sizes(self) -> list[int]:
        """Kept weights of each level."""
        return [len(codes) for codes in self._weights]

    @property
    def histogram_bytes(self) -> int:
        """What the histograms of all levels take before compression."""
        return sum(bars.size for bars in self._histograms if bars is not None)

    @property
    def num_units(self) -> int:
        """Units of the layer."""
        return len(self._survival)

    def packed(
        self,
        units: np.ndarray,
        steps_of: Sequence[int],
        with_cavity: Sequence[bool],
        with_histogram: Sequence[bool],
    ) -> dict[str, Any]:
        """Return plain values for the page, of some units, in so many steps a level."""
        levels = []
        for place, level in enumerate(self._levels):
            mask = np.unpackbits(self._masks[place], count=self._survival.size).astype(bool)
            mask = mask.reshape(self._survival.shape)
            steps = steps_of[place]
            cavity, bars = self._cavities[place], self._histograms[place]
            levels.append(
                {
                    name: [value[unit] for unit in units] if isinstance(value, list) else value
                    for name, value in level.items()
                }
                | {
                    "steps": steps,
                    "weights": _compressed(_coarser(_of(units, mask, self._weights[place]), steps)),
                }
                | (
                    {
                        "cavitySteps": _CAVITY,
                        "cavity": _compressed(_coarser(_of(units, mask, cavity), _CAVITY)),
                    }
                    if cavity is not None and with_cavity[place]
                    else {}
                )
                | (
                    {"histogram": _compressed(bars[units])}
                    if bars is not None and with_histogram[place]
                    else {}
                )
            )
        return {
            "name": self.condition,
            "replicate": self.replicate,
            "survival": _compressed(self._survival[units]),
            "levels": levels,
        }


def pack(packers: Sequence[Packer]) -> dict[str, Any]:
    """Return the explorer's data within the budgets, and which units it holds.

    Parameters
    ----------
    packers : sequence of Packer
        One a condition, all levels added.

    Returns
    -------
    dict
        ``units`` (indices into the layer), ``numUnits`` of the layer, ``saturation``, ``edges`` of the
        histograms' bins, ``conditions``.
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
        stop = start + len(packer.sizes)
        shown = np.isin(np.arange(stop - start), evenly_spaced(stop - start, num_histograms))
        conditions.append(packer.packed(units, steps[start:stop], cavity[start:stop], shown.tolist()))
        start = stop
    return {
        "units": units.tolist(),
        "numUnits": num_units,
        "saturation": SATURATION,
        "edges": HISTOGRAM_EDGES.tolist(),
        "conditions": conditions,
    }


def _codes(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return kept values in −127 … 127 (−128: undefined), and what 127 stands for, by unit."""
    kept = np.where(mask, np.nan_to_num(values), 0)
    rms = np.sqrt((kept.astype(np.float64) ** 2).sum(axis=1) / np.maximum(mask.sum(axis=1), 1))
    limits = np.where(rms > 0, SATURATION * rms, 1.0)
    scaled = np.rint(np.clip(kept / limits[:, None], -1, 1) * _FULL)
    codes = np.where(np.isnan(values), -_FULL - 1, scaled).astype(np.int8)
    return codes[mask], limits


def _bars(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts as bars of 0 … 255, 255 the unit's highest, and what share of samples that is."""
    peak = counts.max(axis=1, keepdims=True)
    bars = np.rint(_PEAK * counts / np.maximum(peak, 1)).astype(np.uint8)
    return bars, peak[:, 0] / np.maximum(counts.sum(axis=1), 1)


def _coarser(codes: np.ndarray, steps: int) -> np.ndarray:
    """Return codes in so many steps on either side of 0 as uint8: 0 undefined, 1 + steps zero."""
    rounded = np.rint(codes.astype(np.float32) * (steps / _FULL)) + steps + 1
    return np.asarray(np.where(codes < -_FULL, 0, rounded), np.uint8)


def _of(units: np.ndarray, mask: np.ndarray, kept_values: np.ndarray) -> np.ndarray:
    if len(units) == len(mask):
        return kept_values
    chosen = np.zeros(mask.shape, bool)
    chosen[units] = True
    return np.asarray(kept_values[chosen[mask]])


def _bytes_per_value(steps: int) -> float:
    # Entropy of a Gaussian in steps of SATURATION / steps standard deviations, clipped, and 5 % for packing.
    gaussian = 0.5 * math.log2(2 * math.pi * math.e) + math.log2(steps / SATURATION)
    return 1.05 * min(gaussian, math.log2(2 * steps + 1)) / 8


def _steps_within(sizes: Sequence[float], budget: float) -> list[int]:
    """Return finer steps for sparser levels: these have few weights, and each can be seen."""
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
