"""Statistics: from the stored results of a study to one number per replicate.

Each function here returns a statistic: a function from the results, an `xarray.Dataset` over condition,
replicate and level (see `sparsight.reproduce._study.results_of`), to float64 (replicate,). NaN means that a
replicate has no value. Nothing here averages over replicates; the instruments have averaged over units.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sparsight.measure import mean_of_defined
from sparsight.reproduce._claim import Statistic


def final(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level of each replicate."""

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _by_level(results, quantity, condition)
        # Replicates may differ in their number of levels: training of one may have diverged.
        last = num_levels(results, condition) - 1
        chosen = np.take_along_axis(values, np.maximum(last, 0)[:, None], axis=1)[:, 0]
        return np.where(last >= 0, chosen, np.nan)

    return statistic


def dense(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at level 0."""
    return lambda results: _by_level(results, quantity, condition)[:, 0]


def change(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level minus the quantity at level 0."""
    return difference(final(quantity, condition), dense(quantity, condition))


def pruned_mean(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the mean of the quantity over levels 1 and up."""
    return lambda results: mean_of_defined(_by_level(results, quantity, condition)[:, 1:], axis=1)


def level_mean(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the mean of the quantity over all levels."""
    return lambda results: mean_of_defined(_by_level(results, quantity, condition), axis=1)


def last_above_earlier(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the last level minus its largest earlier value."""

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _by_level(results, quantity, condition)
        differences = np.full(len(values), np.nan)
        for replicate, row in enumerate(values):
            present = row[~np.isnan(row)]
            if len(present) > 1:
                differences[replicate] = present[-1] - present[:-1].max()
        return differences

    return statistic


def rank_correlation_with_level(quantity: str, condition: str) -> Statistic:
    """Return a statistic: Spearman's correlation of the quantity with the level (1: it always rises)."""

    def statistic(results: xr.Dataset) -> np.ndarray:
        values = _by_level(results, quantity, condition)
        found = np.full(len(values), np.nan)
        for replicate, row in enumerate(values):
            defined = ~np.isnan(row)
            if defined.sum() > 2:
                found[replicate] = rank_correlation(np.flatnonzero(defined), row[defined])
        return found

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


def ratio(a: Statistic, b: Statistic) -> Statistic:
    """Return a statistic: a/b within each replicate."""
    return lambda results: a(results) / b(results)


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
    counts: np.ndarray = (~np.isnan(_by_level(results, "density", condition))).sum(axis=1)
    return counts


def _by_level(results: xr.Dataset, quantity: str, condition: str) -> np.ndarray:
    values: np.ndarray = (
        results[quantity].sel(condition=condition).transpose("replicate", "level").to_numpy().astype(float)
    )
    return values
