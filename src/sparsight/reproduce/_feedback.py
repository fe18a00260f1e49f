"""The statistic of the feedback claim: how well a quantity of a unit predicts its later gain."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.reproduce._claim import Statistic
from sparsight.reproduce._statistics import levels_in_window, mean_at_levels, rank_correlation
from sparsight.streams import generator


def predicts_gain(
    cause: str,
    gain_in: str,
    condition: str,
    *,
    lag: int = 1,
    window: tuple[float, float] = (0.0, np.inf),
    given: Sequence[str] = (),
    gain_to: str = "",
    shuffled: bool = False,
) -> Statistic:
    """Return a statistic: the rank correlation, over units, of a cause with a later gain.

    It is Spearman's correlation over the units of one replicate between `cause` at level t and the change of
    `gain_in` from t + lag to t + lag + 1, averaged over t. Units with fewer than two kept inputs have no
    locality and are left out.

    Parameters
    ----------
    cause, gain_in : str
        Quantities per unit.
    lag : int
        1 or more for a prediction. A comparison of the weights that level t keeps with those it prunes is a
        function of the mask of level t + 1, and so is the gain from t to t + 1. At lag 0 the two are
        therefore related by construction.
    window : (float, float)
        Bounds of the density at level t, as in `in_window`.
    given : sequence of str
        Quantities per unit at level t + lag, where the gain begins. The correlation is partial to them: a
        unit that is local by chance there is less local at the next level, whatever the cause (regression to
        the mean).
    gain_to : str
        For the control of a coupling by construction: a quantity per unit, stored at level t + lag, that says
        what `gain_in` would be at the next level, for instance with a kept set drawn at random. The gain is
        then from `gain_in` to this quantity, both at t + lag.
    shuffled : bool
        Whether to shuffle the cause over units first: this is the null, with mean 0.

    Raises
    ------
    InputError
        If the lag is negative.
    """
    if lag < 0:
        raise InputError(f"lag is {lag}; a gain cannot be predicted from what comes later, so give 0 or more")
    names = (cause, gain_in, gain_to or gain_in, *given)
    end = lag + (0 if gain_to else 1)
    return lambda results: _predicts_gain(
        results, names, condition, start=lag, end=end, window=window, shuffled=shuffled
    )


def _predicts_gain(
    results: xr.Dataset,
    names: Sequence[str],
    condition: str,
    *,
    start: int,
    end: int,
    window: tuple[float, float],
    shuffled: bool,
) -> np.ndarray:
    arrays = [
        results[name].sel(condition=condition).transpose("replicate", "level", "unit").to_numpy()
        for name in names
    ]
    num_levels = results.sizes["level"]
    correlations = np.full((results.sizes["replicate"], num_levels), np.nan)
    for replicate in range(len(correlations)):
        for level in range(num_levels - start - 1):
            units = [array[replicate] for array in arrays]
            columns = _columns(units, level, level + start, level + end)
            if shuffled:
                columns[0] = generator(replicate, "feedback null", level).permutation(columns[0])
            correlations[replicate, level] = rank_correlation(columns[0], columns[1], columns[2:])
    # At the last levels of a replicate there is no later gain.
    density = np.array(results.density.sel(condition=condition).transpose("replicate", "level"))
    chosen = levels_in_window(results, condition, *window, without_last=True)
    chosen[:, -start - 1 :] = False
    chosen[:, : -start - 1] &= ~np.isnan(density[:, start + 1 :])
    return mean_at_levels(correlations, chosen)


def _columns(arrays: list[np.ndarray], at: int, start: int, end: int) -> list[np.ndarray]:
    """Return cause, gain and given quantities of the units that have them all."""
    cause, before, after, *given = arrays  # (level, unit)
    columns = [cause[at], after[end] - before[start], *(values[start] for values in given)]
    # A unit counts only where it has all values at both levels; ranks of different sets do not compare.
    defined = ~np.isnan(np.stack(columns)).any(axis=0)
    return [column[defined] for column in columns]
