"""The cavity effect free of the mixture of classes: computed within each class, averaged over the classes."""

import numpy as np
from jaxtyping import Bool, Integer, Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity import each_class_then_all
from sparsight.measure._cavity_effects import DELTAS

SMALLEST_CLASS = 20
"""Samples; in a smaller class the bias of sample kurtosis, −6/(n + 1) for a Gaussian, exceeds any effect."""


@checked()
def class_mean_effects(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Shaped[np.ndarray | Tensor, "n in"],
    labels: Integer[np.ndarray | Tensor, " n"],
    *,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    num_classes: int | None = None,
    min_samples: int = SMALLEST_CLASS,
) -> dict[str, np.ndarray]:
    """Return every map of `Cavity`, averaged over the classes with at least `min_samples` samples.

    κ of several classes together is above 0 if their variances differ, even if every class is Gaussian:
    3 ((v0 − v1)/(v0 + v1))² for two classes of equal size and mean. Within classes nothing of that is left.

    Parameters
    ----------
    weight, inputs, mask
        As for `cavity`.
    labels : numpy.ndarray or Tensor of int, (n,)
        From 0 to `num_classes` − 1; by default the largest label is the last class.

    Returns
    -------
    dict of str to numpy.ndarray of float64, (out, in)
        ``delta_kurtosis``, ``delta_abs_kurtosis``, ``delta_skewness`` and ``delta_negentropy``. A weight
        that is undefined in one of the classes is NaN, and so is every weight if no class has the samples.

    Raises
    ------
    InputError
        As `cavity`; or if a label is out of range, or `min_samples` is below 2.
    """
    if min_samples < 2:
        raise InputError(f"min_samples is {min_samples}; 2 or more are needed for a variance")
    sums: dict[str, np.ndarray] = {}
    num_used = 0
    for label, found in each_class_then_all(
        weight, inputs, labels, num_classes=num_classes, mask=mask, min_samples=min_samples
    ):
        if label is not None and found is not None:
            num_used += 1
            sums = {name: sums.get(name, 0) + getattr(found, name) for name in DELTAS}
    if not num_used:
        return {name: np.full(tuple(weight.shape), np.nan) for name in DELTAS}
    return {name: total / num_used for name, total in sums.items()}
