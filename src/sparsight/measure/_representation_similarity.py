"""Similarity of representations: linear CKA without the bias of few samples."""

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError


@checked(finite=("a", "b"))
def linear_cka(a: Float[np.ndarray, "sample unit_a"], b: Float[np.ndarray, "sample unit_b"]) -> float:
    r"""Return the debiased linear centred kernel alignment of two representations of the same samples.

    Parameters
    ----------
    a, b : numpy.ndarray of float, (sample, unit)
        Outputs of units. Each representation has its own number of units.

    Returns
    -------
    float
        HSIC(a, b) / √(HSIC(a, a) HSIC(b, b)): 1 if one is the other, up to a rotation, a scale and a shift;
        0 in expectation of HSIC if they are independent, so that single values can be below 0. NaN if a
        representation does not vary, or varies so little between samples that an HSIC is not above 0.

    Raises
    ------
    InputError
        With fewer than four samples, or different numbers of samples.

    Notes
    -----
    HSIC is the unbiased estimator of Song, Smola, Gretton, Bedo, Borgwardt, JMLR 13:1393 (2012), eq. 4, with
    linear kernels K̃ and L̃ whose diagonals are set to 0:

    .. math:: \frac{1}{n(n-3)} \Big[ \mathrm{tr}\,\tilde K \tilde L + \frac{1^T\tilde K 1 \; 1^T\tilde L 1}
       {(n-1)(n-2)} - \frac{2}{n-2} 1^T \tilde K \tilde L 1 \Big]

    CKA: Kornblith, Norouzi, Lee, Hinton (ICML 2019). With the biased estimator, independent representations
    of more units than samples have a CKA near 1 (Murphy, Zylberberg, Fyshe, arXiv 2405.01012).
    Kernels are never formed: the cost is that of the product aᵀb.
    """
    num_samples = len(a)
    if num_samples < 4:
        raise InputError(f"a and b have {num_samples} samples; four or more are needed")
    # The estimator does not depend on the means; small numbers round less.
    left, right = (each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (a, b))
    across = _hsic(left, right)
    own = _hsic(left, left) * _hsic(right, right)
    # Both can be below 0, where no alignment is defined.
    is_defined = min(_hsic(left, left), _hsic(right, right)) > 0 and np.isfinite(own) and own > 0
    return float(across / np.sqrt(own)) if is_defined else np.nan


def _hsic(a: np.ndarray, b: np.ndarray) -> float:
    """Return the unbiased HSIC of linear kernels, from centred features."""
    num = len(a)
    diagonal_a, diagonal_b = (np.einsum("ij,ij->i", each, each) for each in (a, b))
    # Rows of the kernels sum to 0 after centring; without the diagonal, to minus the diagonal.
    trace = float(np.square(a.T @ b).sum() - diagonal_a @ diagonal_b)
    totals = float(diagonal_a.sum() * diagonal_b.sum()) / ((num - 1) * (num - 2))
    rows = 2.0 / (num - 2) * float(diagonal_a @ diagonal_b)
    return (trace + totals - rows) / (num * (num - 3))
