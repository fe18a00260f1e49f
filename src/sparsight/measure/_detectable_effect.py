"""The smallest effect that a number of replicates can be expected to find, and the number for an effect."""

import math

from scipy import optimize, stats

from sparsight.errors import InputError


def smallest_detectable_effect(
    sd: float, num_replicates: int, *, power: float = 0.8, confidence: float = 0.95
) -> float:
    """Return the true mean for which Student's interval is above 0 with probability `power`.

    Parameters
    ----------
    sd : float
        Standard deviation between replicates; not negative.
    num_replicates : int
        Number n of replicates, at least 2.
    power : float
        Probability of finding the effect, strictly between 0 and 1.
    confidence : float
        Confidence of the interval, strictly between 0 and 1.

    Returns
    -------
    float
        δ · sd/√n, where the noncentral t with n − 1 degrees of freedom and noncentrality δ exceeds the
        quantile (1 + confidence)/2 of Student's t with probability `power`. In units of `sd` it is 1.0 for
        10 replicates.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> round(smallest_detectable_effect(1.0, 10), 2)
    1.0
    """
    if num_replicates < 2 or not sd >= 0:
        raise InputError(
            f"sd is {sd} and num_replicates {num_replicates}; sd of at least 0 and at least 2 replicates "
            "are needed"
        )
    if not (0 < power < 1 and 0 < confidence < 1):
        raise InputError(f"power is {power} and confidence {confidence}; both must be between 0 and 1")
    freedom = num_replicates - 1
    threshold = stats.t.ppf((1 + confidence) / 2, freedom)

    def shortfall(noncentrality: float) -> float:
        return float(stats.nct.sf(threshold, freedom, noncentrality)) - power

    upper = 1.0
    while shortfall(upper) < 0:
        upper *= 2
    return float(optimize.brentq(shortfall, 0.0, upper)) * sd / math.sqrt(num_replicates)


def num_replicates_needed(
    sd: float, effect: float, *, power: float = 0.8, confidence: float = 0.95, most: int = 1000
) -> int | None:
    """Return the least number of replicates whose `smallest_detectable_effect` is at most an effect.

    Parameters
    ----------
    sd : float
        Standard deviation between replicates; not negative.
    effect : float
        True mean to be found; above 0.
    power, confidence : float
        As in `smallest_detectable_effect`.
    most : int
        Where to stop.

    Returns
    -------
    int or None
        At least 2; None if more than `most` are needed.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> num_replicates_needed(1.0, 1.0)
    10
    """
    if not effect > 0:
        raise InputError(f"effect is {effect}; an effect above 0 is needed")

    def suffices(n: int) -> bool:
        return smallest_detectable_effect(sd, n, power=power, confidence=confidence) <= effect

    if not suffices(most):
        return None
    few, enough = 1, most  # more replicates always detect smaller effects, so halving finds the least
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if suffices(middle) else (middle, enough)
    return enough
