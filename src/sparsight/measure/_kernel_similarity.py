"""Kernels on the same samples beside each other, and beside the labels."""

import numpy as np
from jaxtyping import Float, Int

from sparsight.arguments import checked


@checked(finite=("first", "second"))
def centred_cosine(first: Float[np.ndarray, "n n"], second: Float[np.ndarray, "n n"]) -> float:
    """Return ⟨HK, HK'⟩ / (‖HK‖ ‖HK'‖) of two kernels, H K = H·K·H their centred matrices, H = 1 − 11ᵀ/n.

    1 if both are equal up to a positive factor and a constant; NaN if one is constant. After Cortes, Mohri &
    Rostamizadeh, JMLR 2012 (centred alignment).
    """
    return _cosine(_centred(first), _centred(second))


@checked(finite=("kernel",))
def label_alignment(kernel: Float[np.ndarray, "n n"], labels: Int[np.ndarray, " n"]) -> float:
    """Return ⟨Θ, YYᵀ⟩ / (‖Θ‖ ‖YYᵀ‖), Y the one-hot labels minus 1 / number of classes.

    With two classes it is yᵀΘy / (‖y‖² ‖Θ‖) with y = ±1. 1 if the kernel is 1 within a class and negative
    between classes; NaN with one class, or if the kernel is 0.
    """
    classes, places = np.unique(labels, return_inverse=True)
    one_hot = np.eye(len(classes))[places] - 1 / max(len(classes), 1)
    return _cosine(kernel, one_hot @ one_hot.T)


def _centred(kernel: np.ndarray) -> np.ndarray:
    values = kernel.astype(np.float64)
    values = values - values.mean(axis=0)
    centred = values - values.mean(axis=1, keepdims=True)
    # A constant kernel leaves nothing but rounding.
    is_constant = np.linalg.norm(centred) <= 1e-12 * np.linalg.norm(kernel)
    return np.zeros_like(centred) if is_constant else np.asarray(centred)


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum() / norms) if norms > 0 else float("nan")
