"""Temperatures: an ensemble made less sure, or surer, until its labels are as likely one by one as wanted."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._ensemble import marginal_nll

_LARGEST = math.log(1e4)  # of |log T|: beyond it every probability is that of chance, or 0 or 1
_FIRST_STEP = 0.05


@checked(finite=("logits",))
def matching_temperature(
    logits: Float[np.ndarray, "member n class"], labels: Int[np.ndarray, " n"], nll: float
) -> float:
    """Return the temperature T at which the ensemble of logits/T has this `marginal_nll`.

    Joint predictions of two ensembles can then be compared at equal marginal ones. Where several temperatures
    do it, as one that makes members too sure and one that makes them too unsure, it is the first that is
    found on the way from 1, in steps that double in log T.

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each member before softmax.
    labels : numpy.ndarray of int, (n,)
        Classes.
    nll : float
        The marginal negative log-likelihood that is wanted, in nats.

    Returns
    -------
    float
        From 1e-4 to 1e4; NaN if none of these temperatures gives it, because even the best has a larger one
        or even the worst a smaller one.

    Raises
    ------
    InputError
        If an argument does not fit, or `nll` is not finite.
    """
    if not math.isfinite(nll):
        raise InputError(f"nll is {nll}; a finite number is needed")

    def gap(log_t: float) -> float:
        return marginal_nll(logits / math.exp(log_t), labels) - nll

    here = gap(0.0)
    if here == 0:
        return 1.0
    bracket = _bracket(gap, here)
    if bracket is None and here > 0:  # a dip that is narrower than the steps
        lowest = optimize.minimize_scalar(gap, bounds=(-_LARGEST, _LARGEST), method="bounded").x
        bracket = (0.0, float(lowest)) if gap(lowest) <= 0 else None
    if bracket is None:
        return math.nan
    low, high = sorted(bracket)
    return math.exp(optimize.brentq(gap, low, high, xtol=1e-12))


def _bracket(gap: Callable[[float], float], here: float) -> tuple[float, float] | None:
    """Return two values of log T between which the gap has a zero, as near to 0 as doubling steps find."""
    before, step = 0.0, _FIRST_STEP
    while before < _LARGEST:
        after = min(before + step, _LARGEST)
        for sign in (1.0, -1.0):
            if gap(sign * after) * here <= 0:
                return sign * before, sign * after
        before, step = after, 2 * step
    return None
