"""The inverse participation ratio of structureless weights that were cut by size: a null for ``ipr``."""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from sparsight.arguments import checked
from sparsight.errors import InputError

# log s; beyond, the integrand is below 1e-20 of its peak for every fan-in from 1 to 10^6. The integrand is
# smooth and vanishes at both ends, so the trapezoidal rule converges exponentially.
_LOG_GRID = np.linspace(-70.0, 70.0, 2801)


@checked()
def ipr_of_cut_gaussian(fan_in: Int[np.ndarray, " out"], density: float) -> Float[np.ndarray, " out"]:
    r"""Return the mean ipr of k weights that magnitude pruning kept from independent Gaussian ones.

    The weights kept are those with \|w\| above a threshold t that leaves the share `density` of a standard
    Gaussian. Their sizes are alike, so no few of them dominate as among all Gaussian weights: the ipr is
    0.58, 0.42 and 0.37 of 3/(k + 2) at a density of 50, 20 and 5 %. At density 1 it is 3/(k + 2), which is
    the null for weights that were never cut by size.

    With x = w² and φ(s) = E[exp(−s x)] over the kept weights, it is exactly

    .. math:: E[\textstyle\sum x^2 / (\sum x)^2] = k \int_0^\infty s\, \varphi''(s)\, \varphi(s)^{k-1} ds

    because 1/X² = ∫ s exp(−s X) ds. The integral is evaluated to about ten digits.

    Parameters
    ----------
    fan_in : numpy.ndarray of int, (out,)
        k of each unit.
    density : float
        Share of the weights kept, of those that were compared with one another, in (0, 1].

    Returns
    -------
    numpy.ndarray of float64, (out,)
        NaN for k = 0.

    Raises
    ------
    InputError
        If the density is out of range or a fan-in is negative.
    """
    if not 0 < density <= 1:
        raise InputError(f"density is {density}; it must be above 0 and at most 1")
    if (fan_in < 0).any():
        raise InputError(f"fan_in holds {fan_in.min()}; 0 or more is allowed")
    threshold = math.sqrt(2) * float(special.erfcinv(density))
    s = np.exp(_LOG_GRID)
    # E[exp(−s w²); |w| > t] is that of a Gaussian narrower by r = √(1 + 2s), cut at τ = r t. Everything is
    # divided by exp(−s t²), which the product of k factors gets back at the end: erfc alone would underflow.
    narrower = np.sqrt(1 + 2 * s)
    cut = narrower * threshold
    tail, whole = special.erfcx(cut / math.sqrt(2)), special.erfcx(threshold / math.sqrt(2))
    mean = tail / whole / narrower  # φ(s) exp(s t²)
    fourth = (
        (math.sqrt(2 / math.pi) * (cut**3 + 3 * cut) + 3 * tail) / whole / narrower**5
    )  # φ''(s) exp(s t²)
    kept, place = np.unique(fan_in, return_inverse=True)
    found = np.full(len(kept), np.nan)
    step = _LOG_GRID[1] - _LOG_GRID[0]
    for row, k in enumerate(kept):
        if k > 0:
            rest = (k - 1) * np.log(mean) - k * s * threshold**2
            found[row] = k * (s**2 * fourth * np.exp(rest)).sum() * step  # ds = s d(log s)
    return found[place]
