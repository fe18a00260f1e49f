"""Pruning by how far classes differ in variance: what of the cavity score needs no fourth moment."""

import numpy as np
from torch import Tensor

from sparsight.measure import class_variance_effect
from sparsight.prune.criteria._combinators import highest, matched, of_layers
from sparsight.prune.criteria._registry import Trained, criterion


@of_layers
def _effect(weight: Tensor, inputs: Tensor, labels: Tensor, mask: Tensor, num_classes: int) -> np.ndarray:
    return class_variance_effect(weight, inputs, labels, mask=mask, num_classes=num_classes)


@criterion("class-variance")
def class_variance(trained: Trained) -> dict[str, Tensor]:
    """Score what a weight adds to the difference of the classes' variances of its unit's pre-activation.

    The effect on q = Var_c(v_c) / Mean_c(v_c)² by removing the weight, with v_c the variance within class c
    over 2048 training samples (see `sparsight.measure.class_variance_effect`). Two Gaussian classes
    of equal mean have together κ = 3q: where this criterion finds what ``cavity`` finds, it was not
    non-Gaussianity. A weight that carries its unit alone is removed last. Biases score 0.
    """
    return highest(_effect)(trained)


@criterion("class-variance-matched")
def class_variance_matched(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of ``class-variance`` among ten weights of the same unit and similar |w|."""
    return matched(_effect, "class-variance-matched")(trained)
