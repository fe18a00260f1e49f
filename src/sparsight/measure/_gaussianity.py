"""The distance of a unit's pre-activation from a Gaussian."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int, Integer, Real
from scipy.special import log_ndtr, ndtr
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._spacing_negentropy import spacing_negentropy

_BLOCK = 1 << 20  # values worked on at a time, so that memory beyond the input does not grow with it
_MIN_SAMPLES = 4  # the unbiased kurtosis divides by n − 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Gaussianity:
    """Statistics of pre-activations, for every unit or for every class and unit.

    Attributes
    ----------
    num_samples : numpy.ndarray of int64, () or (class,)
        Number of samples behind each row.
    mean, variance : numpy.ndarray of float64, (unit,) or (class, unit)
        The statistics are defined in `gaussianity`, and NaN where undefined.
    skewness, excess_kurtosis, sixth_cumulant : numpy.ndarray of float64, (unit,) or (class, unit)
        Cumulants of the shape of the distribution.
    negentropy : numpy.ndarray of float64, (unit,) or (class, unit)
        The Edgeworth approximation, also `edgeworth_negentropy`.
    spacing_negentropy : numpy.ndarray of float64, (unit,) or (class, unit)
        Negentropy of the distribution itself.
    anderson_darling, ks_distance : numpy.ndarray of float64, (unit,) or (class, unit)
        Distances from the Gaussian distribution function.
    """

    num_samples: Int[np.ndarray, "*group"]
    mean: Float[np.ndarray, "*group unit"]
    variance: Float[np.ndarray, "*group unit"]
    skewness: Float[np.ndarray, "*group unit"]
    excess_kurtosis: Float[np.ndarray, "*group unit"]
    sixth_cumulant: Float[np.ndarray, "*group unit"]
    negentropy: Float[np.ndarray, "*group unit"]
    spacing_negentropy: Float[np.ndarray, "*group unit"]
    anderson_darling: Float[np.ndarray, "*group unit"]
    ks_distance: Float[np.ndarray, "*group unit"]

    @property
    def abs_excess_kurtosis(self) -> Float[np.ndarray, "*group unit"]:
        """|excess_kurtosis|: sub- and super-Gaussian units do not cancel in its mean."""
        absolute: np.ndarray = np.abs(self.excess_kurtosis)
        return absolute

    @property
    def edgeworth_negentropy(self) -> Float[np.ndarray, "*group unit"]:
        """`negentropy` under its proper name: leading terms of an Edgeworth expansion, poor at |κ| ≈ 1."""
        return self.negentropy

    @property
    def num_undefined(self) -> int:
        """Number of entries of `excess_kurtosis` that are NaN."""
        return int(np.isnan(self.excess_kurtosis).sum())


_STATISTICS = tuple(field.name for field in fields(Gaussianity) if field.name != "num_samples")


@checked(finite=("preactivations",))
def gaussianity(
    preactivations: Real[np.ndarray | Tensor, "n unit"],
    *,
    labels: Integer[np.ndarray | Tensor, " n"] | None = None,
    num_classes: int | None = None,
    bias: bool = True,
) -> Gaussianity:
    r"""Measure how far the pre-activations of each unit are from a Gaussian.

    With central sample moments :math:`m_r = \frac1n \sum_s (\lambda_s - \bar\lambda)^r` of a unit:

    ====================  ================================================================================
    `mean`                :math:`\bar\lambda`
    `variance`            :math:`m_2` (``bias=True``) or :math:`n m_2 / (n-1)` (``bias=False``)
    `skewness`            :math:`g_1 = m_3 / m_2^{3/2}`, or :math:`G_1 = g_1 \sqrt{n(n-1)} / (n-2)`
    `excess_kurtosis`     :math:`g_2 = m_4 / m_2^2 - 3`, or
                          :math:`G_2 = \frac{n-1}{(n-2)(n-3)} [(n+1) g_2 + 6]`
    `sixth_cumulant`      :math:`m_6/m_2^3 - 15 m_4/m_2^2 - 10 m_3^2/m_2^3 + 30`
    `negentropy`          :math:`J = \mathrm{skewness}^2/12 + \mathrm{excess\_kurtosis}^2/48`, the leading
                          terms, in nats, of the entropy that a Gaussian of equal variance has in excess
                          (Edgeworth); a good approximation only near a Gaussian, and poor at
                          :math:`|\kappa| \approx 1`. `edgeworth_negentropy` is the same
    `spacing_negentropy`  that entropy itself, in nats, from the spacings of the sorted samples; needs no
                          moments. See `sparsight.measure._spacing_negentropy`
    `anderson_darling`    :math:`A^2 = -n - \frac1n \sum_i (2i-1)
                          [\ln\Phi(z_{(i)}) + \ln\Phi(-z_{(n+1-i)})]`
    `ks_distance`         :math:`\max_i \max(i/n - \Phi(z_{(i)}), \Phi(z_{(i)}) - (i-1)/n)`
    ====================  ================================================================================

    where :math:`z_{(i)}` are the sorted :math:`(\lambda - \bar\lambda)/s`, and s is always the standard
    deviation with ddof 1 (as in Lilliefors and ``scipy.stats.anderson``), regardless of `bias`.

    Parameters
    ----------
    preactivations : numpy.ndarray or Tensor, (n, unit)
        Real numbers λ, one row per sample, on any device. Statistics are computed in float64.
    labels : numpy.ndarray or Tensor of int, (n,), optional
        If given, statistics are taken within each class, and results have shape (class, unit).
    num_classes : int, optional
        Number of rows of the result; by default the largest label + 1. Only together with `labels`.
    bias : bool
        As in ``scipy.stats.skew`` and ``scipy.stats.kurtosis``: True for the plain sample moments
        (g₁ and g₂, as in the cavity instrument), False for those corrected for bias under a Gaussian.

    Returns
    -------
    Gaussianity
        NaN where undefined, without a warning: `mean` without samples, `variance` below 2 samples, and the
        others below 4 samples or where the unit is constant (its largest deviation is at most 4 rounding
        errors of its largest magnitude). ``.num_undefined`` counts them.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, pre-activations are NaN or infinite, or labels are out of range.

    Notes
    -----
    None of these is 0 on a finite Gaussian sample, so compare with a control of the same n
    (`sparsight.measure._gaussianity_controls`), not with 0. For n independent Gaussian samples:

    * E g₁ = 0 and Var g₁ = 6(n−2)/((n+1)(n+3)) ≈ 6/n. E G₁ = 0.
    * E g₂ = −6/(n+1), and Var g₂ = 24n(n−2)(n−3)/((n+1)²(n+3)(n+5)) ≈ 24/n. E G₂ = 0. Away from the
      Gaussian G₂ is biased as well, and g₂ cannot exceed n − 2 + 1/(n−1) − 3: heavy tails are
      underestimated.
    * E J = Var g₁/12 + (Var g₂ + (E g₂)²)/48 ≈ 1/n with g₁ and g₂: positive without any effect. The same
      holds for |excess_kurtosis|: ≈ √(48/(πn)).
    * `sixth_cumulant` has mean ≈ 0 and variance ≈ 720/n. At n = 2000 a standard error of 0.6 hides much; it
      finds deviations that leave κ and skewness at 0.
    * `spacing_negentropy` has a mean within ±0.001 and a standard deviation of 0.004 at n = 2000; 0.003 and
      0.026 at n = 100; 0.02 and 0.08 at n = 20 (simulated). A uniform distribution has 0.177. Unlike the
      other values it may be negative. A discrete distribution, of infinite negentropy, gets at most 3.7.
    * E A² ≈ 0.385, which does not shrink with n; its 95 % point is 0.752 (simulated; 0.356 and 0.695 at
      n = 10). Away from the Gaussian it grows like n.
    * E `ks_distance` ≈ 0.63/√n; its 95 % point is 0.90/√n (simulated at n ≥ 500; 0.58 and 0.83 at n = 10).
      These are Lilliefors' values: mean and s come from the sample, so the tables of the
      Kolmogorov–Smirnov test itself do not apply.

    Sources: Joanes & Gill, The Statistician 47 (1998) 183 (g and G, their moments) · Jones & Sibson,
    J. R. Stat. Soc. A 150 (1987) 1 (J) · Stephens, J. Am. Stat. Assoc. 69 (1974) 730 (A², case 3) ·
    Lilliefors, J. Am. Stat. Assoc. 62 (1967) 399 · Vasicek, J. R. Stat. Soc. B 38 (1976) 54 (entropy
    from spacings) · Wieczorkowski & Grzegorzewski, Commun. Stat. Simul. Comput. 28 (1999) 541 (its bias).

    Examples
    --------
    >>> two_values = np.array([[-1.0, 1.0] * 50]).T  # a fair coin: the smallest kurtosis there is
    >>> gaussianity(two_values).excess_kurtosis
    array([-2.])
    """
    samples = as_numpy(preactivations)
    resolution = float(np.finfo(samples.dtype).eps) if samples.dtype.kind == "f" else 0.0
    if labels is None:
        if num_classes is not None:
            raise InputError("num_classes is given without labels; give both or neither")
        return _of_group(samples, resolution, bias)
    classes = _checked_labels(as_numpy(labels), num_classes)
    rows = [
        _of_group(samples[classes == c], resolution, bias)
        for c in range(num_classes if num_classes is not None else int(classes.max(initial=-1)) + 1)
    ]
    return Gaussianity(
        **{f.name: np.stack([getattr(row, f.name) for row in rows]) for f in fields(Gaussianity)}
    )


def as_numpy(values: np.ndarray | Tensor) -> np.ndarray:
    """Return an array or tensor as an array."""
    if isinstance(values, np.ndarray):
        return values
    tensor = values.detach().cpu()
    # numpy has no bfloat16; float32 holds every bfloat16 and float16
    is_half = tensor.is_floating_point() and tensor.dtype.itemsize == 2
    converted: np.ndarray = (tensor.float() if is_half else tensor).numpy()
    return converted


def _checked_labels(classes: np.ndarray, num_classes: int | None) -> np.ndarray:
    if not len(classes) and num_classes is None:
        raise InputError("labels are empty; give num_classes, or at least one sample")
    if len(classes) and (classes.min() < 0 or (num_classes is not None and classes.max() >= num_classes)):
        raise InputError(
            f"labels run from {classes.min()} to {classes.max()}; "
            f"0 to {'…' if num_classes is None else num_classes - 1} is allowed"
        )
    return classes


def _of_group(samples: np.ndarray, resolution: float, bias: bool) -> Gaussianity:
    num_samples, num_units = samples.shape
    width = max(1, _BLOCK // max(1, num_samples))
    # A layer without units is one empty block, so that the result still has its fields.
    blocks = [
        _of_block(np.ascontiguousarray(samples[:, i : i + width].T, np.float64), resolution, bias)
        for i in range(0, max(1, num_units), width)
    ]
    return Gaussianity(
        num_samples=np.array(num_samples, np.int64),
        **{name: np.concatenate([block[name] for block in blocks]) for name in _STATISTICS},
    )


def _of_block(values: np.ndarray, resolution: float, bias: bool) -> dict[str, np.ndarray]:
    """Return the statistics of units given as rows of float64, (unit, n)."""
    num_units, n = values.shape
    # Any sample serves as a pivot: subtracting it makes the sums as exact for mean 1e3 as for mean 0.
    pivot = values[:, :1] if n else np.zeros((num_units, 1))
    centred = values - pivot
    shift = _row_means(centred)
    centred -= shift[:, None]
    spread = np.abs(centred).max(axis=1, initial=0.0)
    # `resolution` is the ε of the dtype in which the samples came: below it, float32 rounding looks like
    # variance once the values are float64.
    varies = spread > 4 * resolution * np.abs(values).max(axis=1, initial=0.0)
    scale = np.where(varies, spread, 1.0)  # keeps fourth powers in range
    centred /= scale[:, None]
    result = {name: np.full(num_units, np.nan) for name in _STATISTICS}
    result["mean"] = pivot[:, 0] + shift
    if n > 1:
        result["variance"] = _row_means(centred * centred) * scale**2 * (1.0 if bias else n / (n - 1))
    if n >= _MIN_SAMPLES:
        for name, shape in _shape_statistics(centred[varies], bias).items():
            result[name][varies] = shape
    return result


def _shape_statistics(centred: np.ndarray, bias: bool) -> dict[str, np.ndarray]:
    """Return the statistics that do not depend on shift and scale; rows have mean 0 and some variance."""
    n = centred.shape[1]
    squares = centred * centred
    second = _row_means(squares)
    fourths = squares * squares
    skewness = _row_means(squares * centred) / second**1.5
    kurtosis = _row_means(fourths) / second**2 - 3.0
    # m₆/m₂³ − 15 m₄/m₂² − 10 m₃²/m₂³ + 30, with m₄/m₂² = κ + 3
    sixth = _row_means(np.multiply(fourths, squares, out=fourths)) / second**3
    sixth -= 15 * kurtosis + 10 * skewness**2 + 15
    if not bias:
        skewness = skewness * np.sqrt(n * (n - 1)) / (n - 2)
        kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * kurtosis + 6)
    ordered = np.sort(centred, axis=1) / np.sqrt(second * n / (n - 1))[:, None]
    return {
        "skewness": skewness,
        "excess_kurtosis": kurtosis,
        "sixth_cumulant": sixth,
        "negentropy": skewness**2 / 12 + kurtosis**2 / 48,
        "spacing_negentropy": spacing_negentropy(ordered),
        "anderson_darling": _anderson_darling(ordered),
        "ks_distance": _ks_distance(ordered),
    }


def _row_means(values: np.ndarray) -> np.ndarray:
    return values.sum(axis=1) / values.shape[1] if values.shape[1] else np.full(len(values), np.nan)


def _anderson_darling(ordered: np.ndarray) -> np.ndarray:
    n = ordered.shape[1]
    # log Φ(−z), not log(1 − Φ(z)): the latter is −∞ beyond 8 standard deviations
    rank_weight = 2.0 * np.arange(1, n + 1) - 1
    log_below, log_above = log_ndtr(ordered), log_ndtr(-ordered)
    statistic: np.ndarray = -n - (log_below @ rank_weight + log_above @ rank_weight[::-1]) / n
    return statistic


def _ks_distance(ordered: np.ndarray) -> np.ndarray:
    n = ordered.shape[1]
    below = ndtr(ordered)
    steps = np.arange(n + 1) / n  # the empirical distribution function before and after each sample
    distance: np.ndarray = np.maximum((steps[1:] - below).max(axis=1), (below - steps[:-1]).max(axis=1))
    return distance
