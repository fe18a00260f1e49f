"""Histograms of standardised pre-activations on bins shared by all units, for comparison with a Gaussian."""

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.special import ndtr
from torch import Tensor

from sparsight.arguments import checked
from sparsight.measure._gaussianity import as_numpy, gaussianity

HISTOGRAM_EDGES = np.linspace(-5.0, 5.0, 41)
"""Edges of the bins, each a quarter of a standard deviation wide. The outermost bins are open."""

_BLOCK = 1 << 20  # values worked on at a time


@checked(finite=("preactivations",))
def preactivation_histogram(
    preactivations: Real[np.ndarray | Tensor, "n unit"],
) -> Int[np.ndarray, "unit bin"]:
    r"""Count how many standardised pre-activations of each unit fall into each bin.

    .. math:: c_{kb} = \#\{s : e_b \le (\lambda_{sk} - \bar\lambda_k) / \sigma_k < e_{b+1}\}

    with the edges e of `HISTOGRAM_EDGES`, and the mean and standard deviation (ddof 0) of the unit itself,
    which are those of the Gaussian fitted to it. The first and last bin are open to the outside, so every
    row adds up to n.

    Parameters
    ----------
    preactivations : numpy.ndarray or Tensor, (n, unit)
        Real numbers λ, one row per sample.

    Returns
    -------
    numpy.ndarray of int64, (unit, bin)
        All 0 for a unit whose kurtosis is undefined (see `sparsight.measure.gaussianity`).

    Raises
    ------
    InputError
        If `preactivations` are not real, finite numbers of shape (samples, units).

    Examples
    --------
    >>> counts = preactivation_histogram(np.array([[-1.0, 1.0] * 50]).T)  # one sd below and above the mean
    >>> counts[0, 16], counts[0, 24]
    (np.int64(50), np.int64(50))
    """
    found = gaussianity(preactivations)
    values = as_numpy(preactivations.double() if isinstance(preactivations, Tensor) else preactivations)
    num_samples, num_units = values.shape
    num_bins = len(HISTOGRAM_EDGES) - 1
    counts = np.zeros((num_units, num_bins), np.int64)
    defined = np.flatnonzero(~np.isnan(found.excess_kurtosis))
    width = max(1, _BLOCK // max(1, num_samples))
    for start in range(0, len(defined), width):
        units = defined[start : start + width]
        centred = values[:, units] - found.mean[units]
        # Scaling by powers of two, which rounds nothing, keeps the squares of tiny deviations from vanishing.
        centred = np.ldexp(centred, -np.frexp(np.abs(centred).max(axis=0))[1])
        scaled = centred / np.sqrt(np.square(centred).mean(axis=0, dtype=np.float64))
        bins = np.searchsorted(HISTOGRAM_EDGES[1:-1], scaled, side="right")  # (n, units)
        cells = bins + num_bins * np.arange(len(units))
        counts[units] = np.bincount(cells.ravel(), minlength=num_bins * len(units)).reshape(-1, num_bins)
    return counts


def gaussian_shares() -> Float[np.ndarray, " bin"]:
    """Return the share of a standard Gaussian in each bin of `HISTOGRAM_EDGES`; the shares add up to 1."""
    below = ndtr(HISTOGRAM_EDGES)
    below[0], below[-1] = 0.0, 1.0  # the outermost bins are open
    shares: np.ndarray = np.diff(below)
    return shares
