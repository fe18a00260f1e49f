"""The statistic of the feedback claim: how well a quantity of a unit predicts its gain at the next level."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sparsight.measure import mean_of_defined
from sparsight.reproduce._claim import Statistic
from sparsight.reproduce._statistics import rank_correlation
from sparsight.streams import generator


def predicts_gain(
    cause: str, gain_in: str, condition: str, *, given: Sequence[str] = (), shuffled: bool = False
) -> Statistic:
    """Return a statistic: the rank correlation, over units, of a cause with a later gain.

    It is Spearman's correlation over the units of one replicate between `cause` at level t and the change of
    `gain_in` from t to t + 1, averaged over t. Units with fewer than two kept inputs have no locality and are
    left out. `given` makes it partial to further quantities per unit at level t: a unit that is local by
    chance at t is less local at t + 1, whatever the cause (regression to the mean). `shuffled` shuffles the
    cause over units first: this is the null, with mean 0.
    """

    def statistic(results: xr.Dataset) -> np.ndarray:
        names = (cause, gain_in, *given)
        arrays = [
            results[name].sel(condition=condition).transpose("replicate", "level", "unit").to_numpy()
            for name in names
        ]
        found = np.full(results.sizes["replicate"], np.nan)
        for replicate in range(len(found)):
            by_level = [
                _at_level([array[replicate] for array in arrays], level, replicate, shuffled)
                for level in range(results.sizes["level"] - 1)
            ]
            found[replicate] = mean_of_defined(np.array(by_level))
        return found

    return statistic


def _at_level(arrays: list[np.ndarray], level: int, replicate: int, shuffled: bool) -> float:
    cause, place, *given = arrays  # (level, unit)
    gain = place[level + 1] - place[level]
    columns = [cause[level], gain, *(values[level] for values in given)]
    # A unit counts only where it has all values at both levels; ranks of different sets do not compare.
    defined = ~np.isnan(np.stack(columns)).any(axis=0)
    causes, gains, *others = (column[defined] for column in columns)
    if shuffled:
        causes = generator(replicate, "feedback null", level).permutation(causes)
    return rank_correlation(causes, gains, others)
