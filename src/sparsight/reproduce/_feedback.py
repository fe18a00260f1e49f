"""Whether what a unit has at one level predicts what it gains until the next."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sparsight.reproduce._claim import Statistic
from sparsight.reproduce._statistics import rank_correlation
from sparsight.streams import generator


def predicts_gain(
    cause: str, gain_in: str, condition: str, *, given: Sequence[str] = (), shuffled: bool = False
) -> Statistic:
    """Return the statistic: how the cause at level t ranks units as their gain from t to t + 1 does.

    Spearman's correlation over the units of one replicate between `cause` at level t and `gain_in` at
    t + 1 minus at t, averaged over t. Units that keep fewer than two inputs have no locality and are left
    out.

    Parameters
    ----------
    cause, gain_in : str
        Quantities per unit.
    condition : str
    given : sequence of str
        Quantities per unit at level t that the correlation is partial to: a unit that is local by chance
        at t is less so at t + 1 (regression to the mean), whatever the cause.
    shuffled : bool
        Shuffle the cause over units first: the null, 0 in the mean.
    """

    def statistic(results: xr.Dataset) -> np.ndarray:
        names = (cause, gain_in, *given)
        arrays = [
            results[name].sel(condition=condition).transpose("replicate", "level", "unit").to_numpy()
            for name in names
        ]
        found = np.full(results.sizes["replicate"], np.nan)
        for replicate in range(len(found)):
            of_levels = [
                _of_level([array[replicate] for array in arrays], level, replicate, shuffled)
                for level in range(results.sizes["level"] - 1)
            ]
            defined = [value for value in of_levels if not np.isnan(value)]
            if defined:
                found[replicate] = np.mean(defined)
        return found

    return statistic


def _of_level(arrays: list[np.ndarray], level: int, replicate: int, shuffled: bool) -> float:
    cause, place, *given = arrays  # (level, unit)
    gain = place[level + 1] - place[level]
    columns = [cause[level], gain, *(values[level] for values in given)]
    defined = ~np.isnan(np.stack(columns)).any(axis=0)
    causes, gains, *others = (column[defined] for column in columns)
    if shuffled:
        causes = generator(replicate, "feedback null", level).permutation(causes)
    return rank_correlation(causes, gains, others)
