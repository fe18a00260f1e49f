"""Statistics: from the stored results of a study to one number per replicate.

Each function here returns a statistic: a function from the results, an `xarray.Dataset` over condition,
replicate and level (see `sparsight.reproduce._study.results_of`), to float64 (replicate,). NaN means that a
replicate has no value. Nothing here averages over replicates; the instruments have averaged over units.

Levels are chosen by their density, which is written down before the runs. Replicates are compared at the same
levels only: one whose levels are others than those of most replicates (its training diverged, say) has no
value, and is counted as missing.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.reproduce._estimate import Ratio, Statistic


def in_window(quantity: str, condition: str, low: float, high: float, *, pruning: bool = False) -> Statistic:
    """Return a statistic: the mean of the quantity over the levels with density in [low, high).

    Parameters
    ----------
    quantity, condition : str
        As stored.
    low, high : float
        Bounds of the density; the dense network, of density 1, is in the window if high is above 1.
    pruning : bool
        Whether the quantity compares the weights that a level keeps with those it prunes. The last level of
        each replicate is then left out: nothing is pruned after it, so that its comparison is hypothetical.

    Returns
    -------
    Statistic
        NaN for a replicate whose levels in the window are not those of most replicates, for one that lacks
        the quantity at any of them, and for all if the window holds no level.

    Raises
    ------
    InputError
        If the window is empty by its bounds.
    """
    if not 0 <= low < high:
        raise InputError(f"the density window is [{low:g}, {high:g}); 0 ≤ low < high is needed")

    def statistic(results: xr.Dataset) -> np.ndarray:
        return mean_at_levels(
            by_level(results, quantity, condition),
            levels_in_window(results, condition, low, high, without_last=pruning),
        )

    return statistic


def at_density(quantity: str, condition: str, density: float, tolerance: float = 0.1) -> Statistic:
    """Return a statistic: the quantity at the level whose density is nearest to the one given.

    It is NaN for a replicate without a level of density (1 ± tolerance)·density, and for one whose nearest
    level is another than that of most replicates.

    Raises
    ------
    InputError
        If density or tolerance is not above 0.
    """
    if not (density > 0 and tolerance > 0):
        raise InputError(f"density is {density:g} and tolerance {tolerance:g}; both must be above 0")

    def statistic(results: xr.Dataset) -> np.ndarray:
        nearest = nearest_level(results, condition, density, tolerance)
        return mean_at_levels(by_level(results, quantity, condition), nearest)

    return statistic


def rise(quantity: str, condition: str, window: tuple[float, float], *, pruning: bool = False) -> Statistic:
    """Return a statistic: the mean of the quantity over a window of density minus its value at level 0."""
    return difference(in_window(quantity, condition, *window, pruning=pruning), dense(quantity, condition))


def final(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level.

    It is NaN for a replicate whose number of levels is not that of most replicates. Prefer `at_density`: it
    says at which density.
    """

    def statistic(results: xr.Dataset) -> np.ndarray:
        last = num_levels(results, condition)[:, None] - 1
        return mean_at_levels(
            by_level(results, quantity, condition), np.arange(results.sizes["level"]) == last
        )

    return statistic


def dense(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at level 0."""
    return lambda results: by_level(results, quantity, condition)[:, 0]


def change(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level minus the quantity at level 0."""
    return difference(final(quantity, condition), dense(quantity, condition))


def last_above_earlier(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level minus its largest earlier value."""

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _at_all_levels(results, quantity, condition)
        found: np.ndarray = values[:, -1] - values[:, :-1].max(axis=1, initial=-np.inf)
        return np.where(np.isfinite(found), found, np.nan)

    return statistic


def best_beyond_dense(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the best pruned level minus its value at level 0.

    Which level is best is decided by the mean over the *other* replicates, so that a replicate's noise does
    not choose its own level: without an effect the expectation is 0, which that of a maximum over levels is
    not. Levels count that most replicates have; a replicate with others is NaN, as are all if there are fewer
    than two with all of them, or no level is pruned.
    """

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _at_all_levels(results, quantity, condition)
        gains = values[:, 1:] - values[:, :1]  # (replicate, pruned level)
        defined = np.flatnonzero(~np.isnan(gains).any(axis=1))
        found = np.full(len(gains), np.nan)
        if len(defined) < 2 or not gains.shape[1]:
            return found
        for replicate in defined:
            others = defined[defined != replicate]
            found[replicate] = gains[replicate, values[others, 1:].mean(axis=0).argmax()]
        return found

    return statistic


def rank_correlation_with_level(quantity: str, condition: str) -> Statistic:
    """Return a statistic: Spearman's correlation of the quantity with the level (1: it always rises)."""

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _at_all_levels(results, quantity, condition)
        levels = np.arange(values.shape[1])
        defined = ~np.isnan(values).any(axis=1)
        return np.array(
            [
                rank_correlation(levels, row) if is_defined else np.nan
                for row, is_defined in zip(values, defined, strict=True)
            ]
        )

    return statistic


def slope(over: Sequence[float], statistics: Sequence[Statistic]) -> Statistic:
    """Return a statistic: the least-squares slope of several statistics over given numbers, one for each."""
    doses = np.asarray(over, np.float64)
    centred = doses - doses.mean()

    def statistic(results: xr.Dataset) -> np.ndarray:
        responses = np.stack([each(results) for each in statistics])  # (dose, replicate)
        found: np.ndarray = centred @ responses / (centred @ centred)
        return found

    return statistic


def difference(a: Statistic, b: Statistic) -> Statistic:
    """Return a statistic: a − b within each replicate."""
    return lambda results: a(results) - b(results)


def ratio(a: Statistic, b: Statistic) -> Ratio:
    """Return a statistic: the mean of a over that of b, with Fieller's interval."""
    return Ratio(a, b)


def beyond_chance(statistic: Statistic, chance: float = 1.0) -> Statistic:
    """Return a statistic minus its value under chance."""
    return lambda results: statistic(results) - chance


def rank_correlation(a: np.ndarray, b: np.ndarray, given: Sequence[np.ndarray] = ()) -> float:
    """Return Spearman's correlation of two vectors without NaN, optionally partial to others.

    Ranks (ties at their mean) are regressed on the ranks of the vectors in `given`. The result is Pearson's
    correlation of the residuals, or NaN if one of them does not vary or there are too few entries.
    """
    from scipy.stats import rankdata

    if len(a) < 3 + len(given):
        return float("nan")
    design = np.stack([np.ones(len(a)), *(rankdata(other) for other in given)], axis=1)
    residuals = []
    for values in (rankdata(a), rankdata(b)):
        coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
        residuals.append(values - design @ coefficients)
    norms = [np.linalg.norm(residual) for residual in residuals]
    # Residuals of a vector that does not vary are rounding errors, and their correlation is arbitrary.
    if min(norms) < 1e-9 * len(a):
        return float("nan")
    return float(residuals[0] @ residuals[1] / (norms[0] * norms[1]))


def num_levels(results: xr.Dataset, condition: str) -> np.ndarray:
    """Return the number of levels of each replicate of a condition: int, (replicate,)."""
    counts: np.ndarray = (~np.isnan(density_of(results, condition))).sum(axis=1)
    return counts


def density_of(results: xr.Dataset, condition: str) -> np.ndarray:
    """Return the density of each level of a condition: float64, (replicate, level); NaN without a level."""
    return by_level(results, "density", condition)


def levels_in_window(
    results: xr.Dataset, condition: str, low: float, high: float, *, without_last: bool
) -> np.ndarray:
    """Return which levels of each replicate have a density in [low, high): bool, (replicate, level)."""
    density = density_of(results, condition)
    chosen: np.ndarray = (density >= low) & (density < high)  # False where there is no level
    if without_last:
        last = num_levels(results, condition)[:, None] - 1
        chosen &= np.arange(density.shape[1]) != last
    return chosen


def mean_at_levels(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean of the values at the chosen levels of each replicate; both are (replicate, level).

    NaN for a replicate whose chosen levels are not those of most replicates (of sets that are equally
    frequent, the larger counts), and for one without a value at any of them: means over different levels do
    not compare.
    """
    sets, place, counts = np.unique(chosen, axis=0, return_inverse=True, return_counts=True)
    most = max(range(len(sets)), key=lambda index: (counts[index], sets[index].sum()))
    usual = sets[most]
    if not usual.any():
        return np.full(len(values), np.nan)
    # A plain mean: one undefined level makes the replicate undefined.
    return np.where(place.ravel() == most, values[:, usual].mean(axis=1), np.nan)


def nearest_level(results: xr.Dataset, condition: str, density: float, tolerance: float) -> np.ndarray:
    """Return which level of each replicate is nearest to a density, if any is: bool, (replicate, level)."""
    distance = np.abs(density_of(results, condition) / density - 1)
    distance[~(distance <= tolerance)] = np.inf  # also where there is no level
    nearest = np.isfinite(distance) & (distance == distance.min(axis=1, keepdims=True))
    chosen: np.ndarray = nearest & (np.cumsum(nearest, axis=1) == 1)  # of two at equal distance, the denser
    return chosen


def _at_all_levels(results: xr.Dataset, quantity: str, condition: str) -> np.ndarray:
    """Return the values at all levels that most replicates have; a replicate with other levels is NaN."""
    counts = num_levels(results, condition)
    numbers, frequencies = np.unique(counts, return_counts=True)
    usual = max(zip(frequencies, numbers, strict=True))[1]
    values = by_level(results, quantity, condition)[:, :usual]
    values[counts != usual] = np.nan
    return values


def by_level(results: xr.Dataset, quantity: str, condition: str) -> np.ndarray:
    """Return a quantity at each level of a condition: float64, (replicate, level); NaN without a level."""
    values: np.ndarray = (
        results[quantity].sel(condition=condition).transpose("replicate", "level").to_numpy().astype(float)
    )
    return values
