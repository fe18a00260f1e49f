"""What a linear readout finds in a representation, in closed form; and codes of the most active units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import check_classes

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties among which a readout chooses."""
_ROUNDING = 1e-10  # eigenvalues of a Gram matrix below this share of the largest are 0


@dataclass(frozen=True, eq=False, kw_only=True)
class RidgeReadout:
    """A linear readout of features, one output for each class.

    Attributes
    ----------
    weight : numpy.ndarray of float64, (class, feature)
    bias : numpy.ndarray of float64, (class,)
    penalty : float
        The penalty that was chosen.
    left_out_error : float
        Mean squared error of samples that were left out one at a time, with that penalty.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    left_out_error: float

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the outputs for features (n, feature): float64, (n, class)."""
        found: np.ndarray = features.astype(np.float64) @ self.weight.T + self.bias
        return found

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of samples whose largest output is that of their class."""
        return float((self.outputs(features).argmax(axis=1) == labels).mean())


@checked(finite=("features",))
def ridge_readout(
    features: Float[np.ndarray, "n feature"],
    labels: Int[np.ndarray, " n"],
    num_classes: int,
    *,
    penalties: Sequence[float] = PENALTIES,
) -> RidgeReadout:
    r"""Fit a linear readout of classes to features by ridge regression, in closed form.

    With Y the one-hot classes, X the features and v̄ their mean variance over features, it minimises

    .. math:: \|Y - X W^T - 1 b^T\|^2 + n \, \bar v \, \mathrm{penalty} \, \|W\|^2

    so that neither a scale nor a shift of all features changes what it says. Of several penalties it takes
    the one with the least squared error of samples left out one at a time, which follows from one
    eigendecomposition.

    Parameters
    ----------
    features : numpy.ndarray of float, (n, feature)
        A representation of n samples. Constant features get a weight of 0.
    labels : numpy.ndarray of int, (n,)
        Their classes.
    num_classes : int
        At least 2.
    penalties : sequence of float
        Positive numbers. As the penalty grows, outputs go to the shares of the classes.

    Raises
    ------
    InputError
        If an argument does not fit, or there are fewer than two samples.
    """
    if len(features) < 2:
        raise InputError(f"features have {len(features)} samples; two or more are needed")
    if num_classes < 2:
        raise InputError(f"num_classes is {num_classes}; at least 2 are needed")
    check_classes(num_classes, labels)
    if not len(penalties) or not all(np.isfinite(each) and each > 0 for each in penalties):
        raise InputError(f"penalties are {tuple(penalties)}; one or more positive numbers are needed")
    number, shape = len(features), (len(features), len(penalties), num_classes)
    means = features.mean(axis=0, dtype=np.float64)
    targets = (np.arange(num_classes) == labels[:, None]).astype(np.float64)
    centred, shares = features - means, targets.mean(axis=0)
    unit = np.square(centred).sum() / max(features.shape[1], 1)
    basis, squares = _principal_axes(centred, np.result_type(features.dtype, np.float32))
    along = basis.T @ (targets - shares)
    kept = squares[:, None] / (squares[:, None] + unit * np.array(penalties))  # (rank, penalty)
    leverages = 1 / number + np.square(basis) @ kept.astype(basis.dtype)
    coefficients = (kept[:, :, None] * along[:, None]).reshape(len(squares), len(penalties) * num_classes)
    residuals = (targets - shares)[:, None] - (basis @ coefficients.astype(basis.dtype)).reshape(shape)
    # A leverage of 1 says that a sample is fitted whatever its class: left out, nothing is known of it.
    errors = np.square(residuals / np.maximum(1 - leverages, _ROUNDING)[:, :, None]).mean(axis=(0, 2))
    best = int(np.argmin(errors))
    shrunk = along / (squares + penalties[best] * unit)[:, None] if len(squares) else along
    weight = (centred.T @ (basis @ shrunk)).T
    return RidgeReadout(
        weight=weight,
        bias=shares - weight @ means,
        penalty=float(penalties[best]),
        left_out_error=float(errors[best]),
    )


def _principal_axes(centred: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return left singular vectors of centred features, (n, rank), and the squares of the singular values.

    Only the vectors are of `dtype`: small singular values would drown in the rounding of float32.
    """
    number, num_features = centred.shape
    is_wide = num_features > number
    gram = centred @ centred.T if is_wide else centred.T @ centred
    if not gram.size:
        return np.zeros((number, 0), dtype=dtype), np.zeros(0)
    squares, vectors = linalg.eigh(gram, driver="evd", check_finite=False)
    is_real = squares > max(squares[-1], 0.0) * _ROUNDING
    squares, vectors = squares[is_real], vectors[:, is_real]
    if is_wide:
        return vectors.astype(dtype), squares
    return centred.astype(dtype) @ (vectors / np.sqrt(squares)).astype(dtype), squares


@checked(finite=("features",))
def winners(features: Float[np.ndarray, "n unit"], num_winners: int) -> Bool[np.ndarray, "n unit"]:
    """Return the code of each sample: which units are its most active ones.

    Parameters
    ----------
    features : numpy.ndarray of float, (n, unit)
        Responses of the units.
    num_winners : int
        Number k of winners, from 0 to the number of units.

    Returns
    -------
    numpy.ndarray of bool, (n, unit)
        Exactly k in each row; of units that respond alike, the first ones. A growing function of the
        responses has the same code.

    Raises
    ------
    InputError
        If an argument does not fit.

    Notes
    -----
    The sparsification of expand-and-sparsify codes, Mukherjee & Huberman, arXiv 2211.14632.
    """
    if not 0 <= num_winners <= features.shape[1]:
        raise InputError(f"num_winners is {num_winners}; 0 to {features.shape[1]} units are allowed")
    if not num_winners:
        return np.zeros(features.shape, dtype=bool)
    place = features.shape[1] - num_winners
    threshold = np.partition(features, place, axis=1)[:, place, None]
    code: np.ndarray = features > threshold
    num_open = num_winners - code.sum(axis=1, keepdims=True)
    ties = features == threshold
    tied = np.flatnonzero(ties.sum(axis=1, keepdims=True) > num_open)
    ties[tied] &= ties[tied].cumsum(axis=1) <= num_open[tied]
    code |= ties
    return code


@checked(finite=("features",))
def coding_level(features: Float[np.ndarray, "n unit"], *, threshold: float = 0.0) -> float:
    """Return the share of pairs of a sample and a unit in which the response is above a threshold.

    For Gaussian responses of standard deviation σ around 0 it is Φ(−threshold/σ): ½ at 0. NaN without any
    pair.
    """
    if not np.isfinite(threshold):
        raise InputError(f"threshold is {threshold}; a finite number is needed")
    return float((features > threshold).mean()) if features.size else np.nan


@checked(finite=("features",))
def dimensionality(features: Float[np.ndarray, "n unit"]) -> float:
    """Return the participation ratio of the covariance C of a representation: (Tr C)² / Tr C².

    From 1, if all variance is along one direction, to the number of units, if it is equal in all. NaN if no
    unit varies. Unlike eigenvalues, it needs no decomposition. With n samples it is below n.
    """
    if not len(features):
        return np.nan
    centred = features - features.mean(axis=0, dtype=np.float64)
    total = np.square(centred).sum()
    gram = centred @ centred.T if centred.shape[1] > len(centred) else centred.T @ centred
    return float(total**2 / np.square(gram).sum()) if total > 0 else np.nan


@checked(finite=("features",))
def lifetime_sparseness(features: Float[np.ndarray, "n unit"]) -> Float[np.ndarray, " unit"]:
    """Return how unequally each unit responds to n samples: (1 − (mean r)²/mean r²)/(1 − 1/n).

    0 if it responds to all alike, 1 if to a single one. NaN for a unit that never responds, and with fewer
    than two samples.

    Notes
    -----
    After Treves & Rolls (1991), in the form of Vinje & Gallant (2000).
    """
    number = len(features)
    if number < 2:
        return np.full(features.shape[1], np.nan)
    responses = features.astype(np.float64)
    squares = np.square(responses).mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.square(responses.mean(axis=0)) / squares
    return np.where(squares > 0, (1 - ratio) / (1 - 1 / number), np.nan)
