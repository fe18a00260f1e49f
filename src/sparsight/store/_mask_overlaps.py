"""Overlap of the masks of a run: between seeds, conditions and levels, or with those of another run."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.measure import (
    Interval,
    Null,
    matched_units,
    mean_of_defined,
    overlap_beside,
    pair_pseudovalues,
    sample_masks,
    student_interval,
)
from sparsight.store._level_files import read_masks
from sparsight.store._level_record import read_record
from sparsight.store._results import Run
from sparsight.streams import derived_seed

_KINDS: tuple[tuple[Null, bool], ...] = (("fan_in", False), ("configuration", False), ("configuration", True))
"""Null and whether units are matched, of the numbers that every pair has."""
_COLUMNS = [
    "between", "condition", "other_condition", "replicate", "other_replicate", "level", "other_level",
    "density", "other_density", "layer", "null", "matched", "iou", "expected", "excess", "low", "high",
]  # fmt: skip
_CACHED_LEVELS = 32


@dataclass(frozen=True)
class _Place:
    """One stored level of one replicate; `run` is 0, or 1 for the other run."""

    run: int
    condition: str
    replicate: int
    level: int


def mask_overlaps(
    run: Run, other: Run | None = None, *, level: int | None = None, num_draws: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Compare the masks of a run with each other, or with those of another run.

    Parameters
    ----------
    run : Run
        With at least two replicates, conditions, or levels below density 1; or one, if there is another run.
    other : Run, optional
        Its masks are compared with those of the same condition, replicate and level; if the runs have no
        condition in common, those of its first condition with the first one's. Default: the masks of `run`
        are compared with each other.
    level : int, optional
        The only level to compare. Default: all.
    num_draws : int
        Random masks that each mask is compared with, at least 2.
    seed : int
        Seeds them.

    Returns
    -------
    pandas.DataFrame
        One row for each pair of masks of a layer, null, and ``matched``. ``between`` is ``seeds`` (two
        replicates of a condition at one level), ``conditions`` (two conditions at one replicate and level),
        ``levels`` (a level and the last one of a replicate) or ``runs``. ``iou``, ``expected``, ``excess``,
        ``low`` and ``high`` are those of `sparsight.measure.MaskOverlap`. With ``matched`` the units of every
        hidden layer are matched, and the next layer's inputs are put into the same order. Layers that keep
        every weight are left out.

    Raises
    ------
    InputError
        If nothing can be compared, the runs have layers of other shapes, `num_draws` is below 2, or a level
        is missing or damaged.

    Notes
    -----
    Magnitude pruning only removes weights, so that masks of two levels of one replicate are nested: their
    intersection over union is the ratio of their densities, and only a mask that lets weights grow back can
    have less.
    """
    if num_draws < 2:
        raise InputError(f"num_draws is {num_draws}; at least 2 are needed for an interval")
    runs = (run, *([other] if other is not None else []))
    reader = _Reader(runs)
    rows = []
    for second, firsts in _pairs(runs, reader, level):
        drawn = _Drawn(reader, second, num_draws, seed)
        for between, first in firsts:
            rows += _rows(runs, reader, between, first, drawn)
    if not rows:
        at = f" at level {level}" if level is not None else ""
        raise InputError(
            f"{run.path} has no two masks to compare{at}: that takes two replicates, conditions or levels in "
            "which a layer has lost weights, or another run with the same condition"
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


class _Reader:
    """Weight masks of stored levels by layer, the last few kept in memory."""

    def __init__(self, runs: tuple[Run, ...]) -> None:
        self._runs = runs
        self.masks = functools.lru_cache(_CACHED_LEVELS)(self._masks)
        self.density = functools.cache(self._density)
        self.places = functools.cache(self._places)

    def _masks(self, place: _Place) -> dict[str, np.ndarray]:
        folder = self._runs[place.run].directory.level(place.condition, place.replicate, place.level)
        masks = read_masks(folder)[0]
        suffix = ".weight"
        return {
            name.removesuffix(suffix): mask.numpy() for name, mask in masks.items() if name.endswith(suffix)
        }

    def _density(self, place: _Place) -> float:
        directory = self._runs[place.run].directory
        return read_record(directory.level(place.condition, place.replicate, place.level)).density

    def _places(self, run: int, condition: str, replicate: int) -> list[_Place]:
        """Return the stored levels of a replicate that have lost weights."""
        number = self._runs[run].directory.num_levels(condition, replicate)
        places = [_Place(run, condition, replicate, level) for level in range(number)]
        return [place for place in places if self.density(place) < 1]


class _Drawn:
    """A level's masks, with random masks for each null: drawn once, however many pairs it is in."""

    def __init__(self, reader: _Reader, place: _Place, num_draws: int, seed: int) -> None:
        self.place = place
        self.masks = reader.masks(place)
        name = ("overlap", place.condition, place.replicate, place.level)
        self.random = {
            null: {
                layer: list(sample_masks(mask, null, num_draws, derived_seed(seed, *name, layer)))
                for layer, mask in self.masks.items()
            }
            for null in dict.fromkeys(null for null, _ in _KINDS)
        }


def _pairs(
    runs: tuple[Run, ...], reader: _Reader, level: int | None
) -> Iterator[tuple[_Place, list[tuple[str, _Place]]]]:
    """Yield every second mask of a pair with its first ones, and what the pairs are between."""
    second_run = len(runs) - 1
    recipe = runs[second_run].recipe
    for condition, replicate in itertools.product(recipe.condition_names(), range(recipe.replicates)):
        places = reader.places(second_run, condition, replicate)
        for place in places:
            if level is not None and place.level != level:
                continue
            if second_run:
                firsts = [("runs", first) for first in _in_first_run(runs, place)]
            else:
                firsts = _in_same_run(runs[0], place)
                if level is None and place is not places[-1]:
                    firsts.append(("levels", places[-1]))
            there = [each for each in firsts if _is_stored(reader, each[1])]
            if there:
                yield place, there


def _in_same_run(run: Run, place: _Place) -> list[tuple[str, _Place]]:
    """Return what a mask is compared with: each pair of masks once."""
    names = run.recipe.condition_names()
    earlier = names[: names.index(place.condition)]
    seeds = [_Place(0, place.condition, replicate, place.level) for replicate in range(place.replicate)]
    conditions = [_Place(0, condition, place.replicate, place.level) for condition in earlier]
    return [("seeds", each) for each in seeds] + [("conditions", each) for each in conditions]


def _in_first_run(runs: tuple[Run, ...], place: _Place) -> list[_Place]:
    first, second = (each.recipe.condition_names() for each in runs)
    shared = [name for name in first if name in second]
    if shared:
        condition = place.condition if place.condition in shared else None
    else:
        condition = first[0] if place.condition == second[0] else None
    return [] if condition is None else [_Place(0, condition, place.replicate, place.level)]


def _is_stored(reader: _Reader, place: _Place) -> bool:
    return place in reader.places(place.run, place.condition, place.replicate)


def _rows(
    runs: tuple[Run, ...], reader: _Reader, between: str, first: _Place, second: _Drawn
) -> list[tuple[object, ...]]:
    masks = reader.masks(first)
    _check_shapes(runs, first, masks, second)
    place = second.place
    output = f"linear_{len(runs[0].recipe.condition(first.condition).network.widths)}"
    key = (
        between, first.condition, place.condition, first.replicate, place.replicate, first.level, place.level,
        reader.density(first), reader.density(place),
    )  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for null, matched in _KINDS:
        order: np.ndarray | None = None
        for layer, mask in masks.items():
            moved = [_reordered(each, order) for each in (second.masks[layer], *second.random[null][layer])]
            match = matched and layer != output  # the output's units are the classes, which have names
            if not (mask.all() and moved[0].all()):
                found = overlap_beside(mask, moved[0], moved[1:], match=match)
                numbers = (found.iou, found.expected, found.excess, found.low, found.high)
                rows.append((*key, layer, null, matched, *numbers))
            order = matched_units(mask, moved[0]) if match else None
    return rows


def _reordered(mask: np.ndarray, inputs: np.ndarray | None) -> np.ndarray:
    return mask if inputs is None or len(inputs) != mask.shape[1] else mask[:, inputs]


def _check_shapes(runs: tuple[Run, ...], first: _Place, masks: dict[str, np.ndarray], second: _Drawn) -> None:
    shapes = [{name: mask.shape for name, mask in each.items()} for each in (masks, second.masks)]
    if shapes[0] != shapes[1]:
        described = [", ".join(f"{name} {shape}" for name, shape in each.items()) for each in shapes]
        names = [f"{runs[place.run].path}:{place.condition}" for place in (first, second.place)]
        raise InputError(
            f"masks of {names[0]} are for {described[0]}, those of {names[1]} for {described[1]}: only masks "
            "of layers of the same names and shapes overlap"
        )


def overlap_intervals(overlaps: pd.DataFrame, quantity: str = "excess") -> pd.DataFrame:
    """Return the mean overlap and its 95 % interval over replicates, by comparison and level.

    Parameters
    ----------
    overlaps : pandas.DataFrame
        As from `mask_overlaps`.
    quantity : {"excess", "iou", "expected"}
        Column to summarise.

    Returns
    -------
    pandas.DataFrame
        Columns ``between``, ``condition``, ``other_condition``, ``layer``, ``null``, ``matched``, ``level``
        and ``density`` (of the second mask of a pair), and ``mean``, ``low``, ``high``, ``num_replicates``,
        ``by_replicate`` as in `intervals_by_level`. Between seeds the mean is over all pairs,
        ``by_replicate`` holds the mean over the pairs of each replicate, and the interval is the jackknife's
        (see `sparsight.measure.pair_pseudovalues`).

    Raises
    ------
    InputError
        If the quantity is unknown.
    """
    if quantity not in ("excess", "iou", "expected"):
        raise InputError(f"quantity is {quantity!r}; excess, iou and expected are allowed")
    by = ["between", "condition", "other_condition", "layer", "null", "matched", "other_level"]
    rows = []
    for key, group in overlaps.groupby(by, sort=False):
        between, condition, other, layer, null, matched, level = key
        interval, by_replicate = (_between_seeds if between == "seeds" else _over_replicates)(group, quantity)
        rows.append(
            {"between": between, "condition": condition, "other_condition": other, "layer": layer}
            | {"null": null, "matched": matched, "level": level}
            | {"density": group["other_density"].mean()}
            | {"mean": interval.mean, "low": interval.low, "high": interval.high}
            | {"num_replicates": interval.num_replicates, "by_replicate": by_replicate}
        )
    return pd.DataFrame(rows)


def _over_replicates(group: pd.DataFrame, quantity: str) -> tuple[Interval, tuple[float, ...]]:
    values = group.sort_values("replicate")[quantity]
    return student_interval(values.to_numpy(np.float64)), tuple(values.tolist())


def _between_seeds(group: pd.DataFrame, quantity: str) -> tuple[Interval, tuple[float, ...]]:
    replicates = sorted({*group["replicate"], *group["other_replicate"]})
    pairs = np.full((len(replicates), len(replicates)), np.nan)
    for a, b, value in zip(group["replicate"], group["other_replicate"], group[quantity], strict=True):
        places = replicates.index(a), replicates.index(b)
        pairs[places] = pairs[places[::-1]] = value
    by_replicate = tuple(mean_of_defined(row) for row in pairs)
    of_pairs = pairs[np.triu_indices(len(replicates), 1)]
    # One pair, or two masks that are both empty: a mean without an interval.
    if len(replicates) < 3 or np.isnan(of_pairs).any():
        return student_interval([mean_of_defined(of_pairs)]), by_replicate
    return student_interval(pair_pseudovalues(pairs)), by_replicate
