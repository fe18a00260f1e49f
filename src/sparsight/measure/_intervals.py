"""Means, differences and intervals over replicates: every error bar is made here."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sparsight.arguments import LARGEST, described
from sparsight.errors import InputError
from sparsight.measure._bca import bca


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over replicates with its confidence interval.

    Attributes
    ----------
    mean : float
        The estimate; NaN without replicates.
    low, high : float
        Ends of the interval; NaN if there is none, and infinite if it is unbounded (of a ratio whose
        denominator may be 0). `statement` says which.
    confidence : float
        Nominal probability that the interval contains the true mean.
    num_replicates : int
        Number of replicates behind the estimate: pairs in a paired difference, the smaller group in an
        unpaired one.
    num_missing : int
        Number of values that were NaN or, in a paired difference, without a partner.
    """

    mean: float
    low: float
    high: float
    confidence: float
    num_replicates: int
    num_missing: int = 0

    @property
    def statement(self) -> str:
        """The number of replicates behind the interval, in words."""
        missing = f" ({self.num_missing} missing)" if self.num_missing else ""
        if self.num_replicates == 0:
            return f"no replicates: no estimate{missing}"
        if self.num_replicates == 1:
            return f"one replicate: no interval{missing}"
        if math.isinf(self.high - self.low):
            return f"unbounded interval over {self.num_replicates} replicates{missing}"
        return f"{self.confidence:.3g} interval over {self.num_replicates} replicates{missing}"

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 is outside the interval; False if there is none."""
        return self.low > 0 or self.high < 0


def mean_interval(values: npt.ArrayLike, confidence: float = 0.95, *, seed: int = 0) -> Interval:
    """Return the mean over replicates with its BCa bootstrap interval.

    This is the bias-corrected and accelerated bootstrap of ``scipy.stats.bootstrap``, with 9999 resamples
    drawn from the stream ``(seed, "bootstrap")``: the same values give the same interval.

    Parameters
    ----------
    values : array-like of float, (replicate,)
        One number per replicate, already averaged over units. NaN = this replicate has no value.
    confidence : float
        Strictly between 0 and 1.
    seed : int
        Seed of the resamples.

    Returns
    -------
    Interval
        Equal values give an interval of width 0; fewer than two values give none (NaN). Shifting or
        scaling the values shifts or scales the interval.

    Raises
    ------
    InputError
        If the values are not a vector, are infinite, or the confidence is out of range.

    Notes
    -----
    With few replicates the interval is too short, as in every bootstrap: it cannot reach beyond the
    smallest and largest value. Measured share of 95 % intervals that contain the true mean of Gaussian
    replicates (10 000 intervals each; Student's t gives 0.95):

    ==========  ====  ====  ====  ====  ====  ====  ====
    replicates  2     3     4     5     10    20    50
    covered     0.51  0.72  0.80  0.83  0.90  0.93  0.94
    ==========  ====  ====  ====  ====  ====  ====  ====

    For two replicates the ends are the two values themselves. Below five, read it as a range, not as 95 %.

    Source: Efron, J. Am. Stat. Assoc. 82 (1987) 171.

    Examples
    --------
    >>> describe(mean_interval([1.0, 1.2, 1.1, 1.4, 1.3]))
    '1.20 [1.06, 1.32]'
    """
    replicates = replicate_values("values", values)
    present = replicates[~np.isnan(replicates)]
    return _interval((present,), _mean_of, confidence, seed, num_missing=len(replicates) - len(present))


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    seeds_a: Sequence[int] | np.ndarray,
    seeds_b: Sequence[int] | np.ndarray,
    confidence: float = 0.95,
    *,
    seed: int = 0,
) -> Interval:
    """Return the mean of a − b over replicates that share a seed, with its BCa bootstrap interval.

    Everything the seed decides in both conditions (initial weights, data, batches) cancels. The interval is
    therefore shorter than that of `difference` if the two conditions are positively correlated.

    Parameters
    ----------
    a, b : array-like of float, (replicate,)
        One number per replicate of each condition, in any order. NaN = no value.
    seeds_a, seeds_b : sequence of int, (replicate,)
        Seed of each replicate; distinct within a condition.
    confidence, seed
        As in `mean_interval`.

    Returns
    -------
    Interval
        Interval over the pairs in which both have a value. Replicates without a partner are left out and
        counted in ``.num_missing``, once per seed.

    Raises
    ------
    InputError
        If values and seeds differ in number, a seed occurs twice, or the conditions share no seed.
    """
    by_seed_a = _by_seed("a", a, seeds_a)
    by_seed_b = _by_seed("b", b, seeds_b)
    shared = sorted(by_seed_a.keys() & by_seed_b.keys())
    if not shared:
        raise InputError("seeds_a and seeds_b share no seed; use difference() for unpaired replicates")
    differences = np.array([by_seed_a[s] - by_seed_b[s] for s in shared])
    present = differences[~np.isnan(differences)]
    num_missing = len(by_seed_a.keys() | by_seed_b.keys()) - len(present)
    return _interval((present,), _mean_of, confidence, seed, num_missing=num_missing)


def difference(a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95, *, seed: int = 0) -> Interval:
    """Return mean(a) − mean(b) of independent replicates, with its two-sample BCa bootstrap interval.

    Parameters
    ----------
    a, b : array-like of float, (replicate,)
        One number per replicate of each condition; their numbers may differ. NaN = no value.
    confidence, seed
        As in `mean_interval`.

    Returns
    -------
    Interval
        ``.num_replicates`` is that of the smaller condition: a condition with one replicate gives no
        interval.

    Raises
    ------
    InputError
        As `mean_interval`.
    """
    values = [replicate_values(name, array) for name, array in (("a", a), ("b", b))]
    present = [array[~np.isnan(array)] for array in values]
    num_missing = sum(map(len, values)) - sum(map(len, present))
    return _interval(tuple(present), _difference_of_means, confidence, seed, num_missing=num_missing)


def student_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    r"""Return the mean over replicates with Student's interval, mean ± t · sd/√n.

    It contains the true mean of Gaussian replicates with the stated probability, however few they are. The
    bootstrap of `mean_interval` does so only for many (for 10 replicates, 0.90 instead of 0.95), so verdicts
    use this interval.

    Parameters
    ----------
    values : array-like of float, (replicate,)
        One number per replicate (for a paired effect, one difference per seed). NaN = no value.
    confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    Interval
        With fewer than two values the ends are NaN; equal values give width 0.

    Raises
    ------
    InputError
        If the values are not a vector, are infinite, or the confidence is out of range.

    Examples
    --------
    >>> interval = student_interval([1.0, 2.0, 3.0])
    >>> round(interval.low, 2), round(interval.high, 2)
    (-0.48, 4.48)
    """
    replicates = replicate_values("values", values)
    check_confidence(confidence)
    present = replicates[~np.isnan(replicates)]
    n = len(present)
    mean = float(present.mean()) if n else math.nan
    half = math.nan
    if n > 1:
        half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * present.std(ddof=1) / math.sqrt(n))
    return Interval(
        mean=mean,
        low=mean - half,
        high=mean + half,
        confidence=confidence,
        num_replicates=n,
        num_missing=len(replicates) - n,
    )


def describe(interval: Interval) -> str:
    """Return an interval as text, ``1.23 [1.10, 1.40]``, rounded to two digits of its width.

    Without an interval, the text has three significant digits and the reason:
    ``1.23 (one replicate: no interval)``.
    """
    if interval.num_replicates == 0:
        return interval.statement
    width = interval.high - interval.low
    if not math.isfinite(width):
        return f"{interval.mean:.3g} ({interval.statement})"
    if width == 0:
        return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
    decimals = max(0, 1 - math.floor(math.log10(width)))
    return f"{interval.mean:.{decimals}f} [{interval.low:.{decimals}f}, {interval.high:.{decimals}f}]"


def _interval(
    groups: tuple[np.ndarray, ...],
    statistic: Callable[..., np.ndarray],
    confidence: float,
    seed: int,
    *,
    num_missing: int,
) -> Interval:
    check_confidence(confidence)
    num_replicates = min(map(len, groups))
    estimate = float(statistic(*groups)) if num_replicates else math.nan
    low = high = math.nan
    if num_replicates > 1:
        low, high = bca(groups, statistic, confidence, seed)
    return Interval(
        mean=estimate,
        low=low,
        high=high,
        confidence=confidence,
        num_replicates=num_replicates,
        num_missing=num_missing,
    )


def _mean_of(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(values.mean(axis=axis))


def _difference_of_means(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(a.mean(axis=axis) - b.mean(axis=axis))


def check_confidence(confidence: float) -> None:
    """Raise InputError unless the confidence is strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; a number strictly between 0 and 1 is needed")


def replicate_values(name: str, values: npt.ArrayLike) -> np.ndarray:
    """Return one value per replicate as float64, or raise InputError that names the argument."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf" and given.size:
        raise InputError(f"{name} is {described(given)}; real numbers are needed, one per replicate")
    array = given.astype(np.float64)
    if array.ndim != 1:
        raise InputError(
            f"{name} has shape {array.shape}; give one number per replicate (average over units first: "
            "units of one network are not independent)"
        )
    if np.isinf(array).any():
        raise InputError(f"{name} holds infinite values; use NaN for a replicate without a value")
    if (np.abs(array) > LARGEST).any():
        raise InputError(f"{name} holds values beyond ±{LARGEST:g}; rescale them")
    return array


def _by_seed(name: str, values: npt.ArrayLike, seeds: Sequence[int] | np.ndarray) -> dict[int, float]:
    array = replicate_values(name, values)
    numbers = np.asarray(seeds)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and numbers.size):
        raise InputError(f"seeds_{name} is {described(numbers)}; whole numbers, one per value, are needed")
    if len(seeds) != len(array):
        raise InputError(f"seeds_{name} has {len(seeds)} seeds for {len(array)} values; give one per value")
    result = {int(seed): float(value) for seed, value in zip(seeds, array, strict=True)}
    if len(result) < len(array):
        raise InputError(f"seeds_{name} holds a seed twice; each replicate needs its own")
    return result
