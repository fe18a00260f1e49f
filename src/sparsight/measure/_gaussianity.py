"""How far a unit's pre-activation is from a Gaussian."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_ndtr, ndtr
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError

_BLOCK = 1 << 20  # values worked on at a time, so that memory beyond the input does not grow with it
_MIN_SAMPLES = 4  # the unbiased kurtosis divides by n − 3


_STATISTICS = (
    "mean",
    "variance",
    "skewness",
    "excess_kurtosis",
    "negentropy",
    "anderson_darling",
    "ks_distance",
)


@dataclass(frozen=True, eq=False)
class Gaussianity:
    """Statistics of pre-activations, for every unit or for every class and unit.

    Attributes
    ----------
    num_samples : numpy.ndarray of int64, () or (class,)
        Samples behind each row.
    mean, variance : numpy.ndarray of float64, (unit,) or (class, unit)
    skewness, excess_kurtosis, negentropy : numpy.ndarray of float64, (unit,) or (class, unit)
    anderson_darling, ks_distance : numpy.ndarray of float64, (unit,) or (class, unit)
        As `gaussianity` defines them. NaN where undefined.
    """

    num_samples: Int[np.ndarray, "*group"]
    mean: Float[np.ndarray, "*group unit"]
    variance: Float[np.ndarray, "*group unit"]
    skewness: Float[np.ndarray, "*group unit"]
    excess_kurtosis: Float[np.ndarray, "*group unit"]
    negentropy: Float[np.ndarray, "*group unit"]
    anderson_darling: Float[np.ndarray, "*group unit"]
    ks_distance: Float[np.ndarray, "*group unit"]

    @property
    def abs_excess_kurtosis(self) -> Float[np.ndarray, "*group unit"]:
        """|excess_kurtosis|: sub- and super-Gaussian units do not cancel in its mean."""
        absolute: np.ndarray = np.abs(self.excess_kurtosis)
        return absolute

    @property
    def num_undefined(self) -> int:
        """Number of entries of `excess_kurtosis` that are NaN."""
        return int(np.isnan(self.excess_kurtosis).sum())


@checked(finite=("preactivations",), preactivations="real n unit", labels="whole n")
def gaussianity(
    preactivations: np.ndarray | Tensor,
    *,
    labels: np.ndarray | Tensor | None = None,
    num_classes: int | None = None,
    bias: bool = True,
) -> Gaussianity:
    r"""Measure, unit by unit, how far pre-activations are from a Gaussian.

    With central sample moments :math:`m_r = \frac1n \sum_s (\lambda_s - \bar\lambda)^r` of one unit:

    ==================  ==================================================================================
    `mean`              :math:`\bar\lambda`
    `variance`          :math:`m_2` (``bias=True``) or :math:`n m_2 / (n-1)` (``bias=False``)
    `skewness`          :math:`g_1 = m_3 / m_2^{3/2}`, or :math:`G_1 = g_1 \sqrt{n(n-1)} / (n-2)`
    `excess_kurtosis`   :math:`g_2 = m_4 / m_2^2 - 3`, or
                        :math:`G_2 = \frac{n-1}{(n-2)(n-3)} [(n+1) g_2 + 6]`
    `negentropy`        :math:`J = \mathrm{skewness}^2/12 + \mathrm{excess\_kurtosis}^2/48`, the leading
                        terms of the entropy a Gaussian of equal variance has in excess, in nats; good
                        near a Gaussian only
    `anderson_darling`  :math:`A^2 = -n - \frac1n \sum_i (2i-1)
                        [\ln\Phi(z_{(i)}) + \ln\Phi(-z_{(n+1-i)})]`
    `ks_distance`       :math:`\max_i \max(i/n - \Phi(z_{(i)}), \Phi(z_{(i)}) - (i-1)/n)`
    ==================  ==================================================================================

    where :math:`z_{(i)}` are the sorted :math:`(\lambda - \bar\lambda)/s`, and s is always the standard
    deviation with ddof 1 (Lilliefors, and ``scipy.stats.anderson``), whatever `bias` says.

    Parameters
    ----------
    preactivations : numpy.ndarray or Tensor, (n, unit)
        Real numbers λ, one row a sample. Any device. Computed with in float64.
    labels : numpy.ndarray or Tensor of int, (n,), optional
        If given, statistics are taken within each class, and results have shape (class, unit).
    num_classes : int, optional
        Number of rows of the result; the largest label + 1 if left out. Goes with `labels`.
    bias : bool
        As in ``scipy.stats.skew`` and ``scipy.stats.kurtosis``: True for the plain sample moments
        (g₁, g₂; what the cavity instrument uses), False for those corrected for bias under a Gaussian.

    Returns
    -------
    Gaussianity
        NaN where undefined: `mean` without samples, `variance` below 2 samples, and the others below 4
        samples or where the unit is constant (its largest deviation is at most 4 rounding errors of its
        largest magnitude). ``.num_undefined`` counts them. No warnings.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, pre-activations are NaN or infinite, or labels are out of range.

    Notes
    -----
    None of these is 0 on a finite Gaussian sample, so compare with a control of the same n
    (`sparsight.measure._gaussianity_controls`) and not with 0. For n independent Gaussian samples:

    * E g₁ = 0 and Var g₁ = 6(n−2)/((n+1)(n+3)) ≈ 6/n. E G₁ = 0.
    * E g₂ = −6/(n+1), and Var g₂ = 24n(n−2)(n−3)/((n+1)²(n+3)(n+5)) ≈ 24/n. E G₂ = 0. Away from the
      Gaussian G₂ is biased too, and g₂ cannot exceed n − 2 + 1/(n−1) − 3: heavy tails are underestimated.
    * E J = Var g₁/12 + (Var g₂ + (E g₂)²)/48 ≈ 1/n with g₁, g₂: positive where there is nothing to see.
      The same holds for |excess_kurtosis|: ≈ √(48/(πn)).
    * E A² ≈ 0.385 and does not shrink with n; its 95 % point is 0.752 (simulated; 0.356 and 0.695 at
      n = 10). Away from the Gaussian it grows like n.
    * E `ks_distance` ≈ 0.63/√n, its 95 % point 0.90/√n (simulated at n ≥ 500; 0.58 and 0.83 at n = 10).
      These are Lilliefors' values: mean and s come from the sample, so the tables of the
      Kolmogorov–Smirnov test itself do not hold.

    Sources: Joanes & Gill, The Statistician 47 (1998) 183 (g and G, their moments) · Jones & Sibson,
    J. R. Stat. Soc. A 150 (1987) 1 (J) · Stephens, J. Am. Stat. Assoc. 69 (1974) 730 (A², case 3) ·
    Lilliefors, J. Am. Stat. Assoc. 62 (1967) 399.

    Examples
    --------
    >>> two_values = np.array([[-1.0, 1.0] * 50]).T  # a fair coin: the smallest kurtosis there is
    >>> gaussianity(two_values).excess_kurtosis
    array([-2.])
    """
    samples = _checked_samples(preactivations)
    resolution = float(np.finfo(samples.dtype).eps) if samples.dtype.kind == "f" else 0.0
    if labels is None:
        if num_classes is not None:
            raise InputError("num_classes is given without labels; give both or neither")
        return _of_group(samples, resolution, bias)
    classes = _checked_labels(labels, len(samples), num_classes)
    rows = [
        _of_group(samples[classes == c], resolution, bias)
        for c in range(num_classes if num_classes is not None else int(classes.max(initial=-1)) + 1)
    ]
    return Gaussianity(
        **{f.name: np.stack([getattr(row, f.name) for row in rows]) for f in fields(Gaussianity)}
    )


def _checked_samples(preactivations: np.ndarray | Tensor) -> np.ndarray:
    if isinstance(preactivations, Tensor):
        tensor = preactivations.detach().cpu()
        # numpy has no bfloat16; float32 holds every bfloat16 and float16
        preactivations = (tensor.float() if tensor.dtype.itemsize == 2 else tensor).numpy()
    if preactivations.ndim != 2 or preactivations.dtype.kind not in "fiu":
        raise InputError(
            f"preactivations are {preactivations.dtype}{preactivations.shape}; "
            "real numbers of shape (samples, units) are needed"
        )
    if not np.isfinite(preactivations).all():
        raise InputError("preactivations hold NaN or infinite values; drop those samples or units")
    return preactivations


def _checked_labels(labels: np.ndarray | Tensor, num_samples: int, num_classes: int | None) -> np.ndarray:
    classes = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
    if classes.shape != (num_samples,) or classes.dtype.kind not in "iu":
        raise InputError(
            f"labels are {classes.dtype}{classes.shape}; integers of shape ({num_samples},) are needed, "
            "one for each row of preactivations"
        )
    if num_samples == 0 and num_classes is None:
        raise InputError("labels are empty; give num_classes, or at least one sample")
    if num_samples and (classes.min() < 0 or (num_classes is not None and classes.max() >= num_classes)):
        raise InputError(
            f"labels run from {classes.min()} to {classes.max()}; "
            f"0 to {'…' if num_classes is None else num_classes - 1} is allowed"
        )
    return classes


def _of_group(samples: np.ndarray, resolution: float, bias: bool) -> Gaussianity:
    num_samples, num_units = samples.shape
    width = max(1, _BLOCK // max(1, num_samples))
    # a layer without units is one empty block, so that the result still has its fields
    blocks = [
        _of_block(np.ascontiguousarray(samples[:, i : i + width].T, np.float64), resolution, bias)
        for i in range(0, max(1, num_units), width)
    ]
    return Gaussianity(
        num_samples=np.array(num_samples, np.int64),
        **{name: np.concatenate([block[name] for block in blocks]) for name in _STATISTICS},
    )


def _of_block(values: np.ndarray, resolution: float, bias: bool) -> dict[str, np.ndarray]:
    """Return the statistics of units given as rows: float64, (unit, n)."""
    num_units, n = values.shape
    # a pivot makes the sums as exact for mean 1e3 as for mean 0; a scale keeps fourth powers in range
    pivot = values[:, :1] if n else np.zeros((num_units, 1))
    centred = values - pivot
    shift = _mean(centred)
    centred -= shift[:, None]
    spread = np.abs(centred).max(axis=1, initial=0.0)
    varies = spread > 4 * resolution * np.abs(values).max(axis=1, initial=0.0)
    scale = np.where(varies, spread, 1.0)
    centred /= scale[:, None]
    result = {name: np.full(num_units, np.nan) for name in _STATISTICS}
    result["mean"] = pivot[:, 0] + shift
    if n > 1:
        result["variance"] = _mean(centred * centred) * scale**2 * (1.0 if bias else n / (n - 1))
    if n >= _MIN_SAMPLES:
        for name, shape in _shape_statistics(centred[varies], bias).items():
            result[name][varies] = shape
    return result


def _shape_statistics(centred: np.ndarray, bias: bool) -> dict[str, np.ndarray]:
    """Return the statistics that neither shift nor scale changes; rows have mean 0 and some variance."""
    n = centred.shape[1]
    squares = centred * centred
    second = _mean(squares)
    skewness = _mean(squares * centred) / second**1.5
    kurtosis = _mean(squares * squares) / second**2 - 3.0
    if not bias:
        skewness = skewness * np.sqrt(n * (n - 1)) / (n - 2)
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * kurtosis + 6)
    ordered = np.sort(centred, axis=1) / np.sqrt(second * n / (n - 1))[:, None]
    return {
        "skewness": skewness,
        "excess_kurtosis": kurtosis,
        "negentropy": skewness**2 / 12 + kurtosis**2 / 48,
        "anderson_darling": _anderson_darling(ordered),
        "ks_distance": _ks_distance(ordered),
    }


def _mean(values: np.ndarray) -> np.ndarray:
    return values.sum(axis=1) / values.shape[1] if values.shape[1] else np.full(len(values), np.nan)


def _anderson_darling(ordered: np.ndarray) -> np.ndarray:
    n = ordered.shape[1]
    rank_weight = 2.0 * np.arange(1, n + 1) - 1
    log_below, log_above = log_ndtr(ordered), log_ndtr(-ordered)
    statistic: np.ndarray = -n - (log_below @ rank_weight + log_above @ rank_weight[::-1]) / n
    return statistic


def _ks_distance(ordered: np.ndarray) -> np.ndarray:
    n = ordered.shape[1]
    below = ndtr(ordered)
    steps = np.arange(n + 1) / n
    distance: np.ndarray = np.maximum((steps[1:] - below).max(axis=1), (below - steps[:-1]).max(axis=1))
    return distance
