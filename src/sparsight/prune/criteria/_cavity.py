"""Pruning by cavity score: a causal test of whether non-Gaussianity makes weights worth keeping.

κ of samples of two classes together also measures how much their variances differ: it is above 0 for a
mixture of two Gaussians. The scores within classes are free of that, and those that are reversed or compare
weights of equal size tell selection for Δ|κ| from selection for what goes with it.
"""

import numpy as np
from torch import Tensor

from sparsight.errors import InputError
from sparsight.measure import SMALLEST_CLASS, cavity as cavity_effect, class_mean_effects
from sparsight.prune.criteria._combinators import highest, matched, of_layers, reverse
from sparsight.prune.criteria._registry import Trained, criterion


@of_layers
def _pooled(weight: Tensor, inputs: Tensor, _labels: Tensor, mask: Tensor, _num_classes: int) -> np.ndarray:
    return cavity_effect(weight, inputs, mask=mask).delta_abs_kurtosis


@of_layers
def _within_class(
    weight: Tensor, inputs: Tensor, labels: Tensor, mask: Tensor, num_classes: int
) -> np.ndarray:
    largest = int(labels.bincount().max())
    if largest < SMALLEST_CLASS:
        raise InputError(
            f"the largest class has {largest} samples among the {len(labels)} that a criterion sees; κ "
            f"within classes needs one of at least {SMALLEST_CLASS}: take more data or another criterion"
        )
    effects = class_mean_effects(weight, inputs, labels, mask=mask, num_classes=num_classes)
    return effects["delta_abs_kurtosis"]


@criterion("cavity")
def cavity(trained: Trained) -> dict[str, Tensor]:
    """Score Δ|κ|: keep the weights whose removal would lower |κ| of their unit most.

    κ is the excess kurtosis of the unit's pre-activation over 2048 training samples (see
    `Task.representative`), all classes together; Δ|κ| = |κ| − |κ without the weight| (see
    `sparsight.cavity`). A weight whose removal leaves its unit without variance has no Δ; it carries the unit
    alone and is removed last. Biases do not change κ and score 0.
    """
    return highest(_pooled)(trained)


@criterion("cavity-reverse")
def cavity_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score −Δ|κ|: the reverse of ``cavity``. A weight that carries its unit alone is still removed last."""
    return highest(reverse(_pooled))(trained)


@criterion("cavity-matched")
def cavity_matched(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of Δ|κ| among ten weights of the same unit and similar |w|, see `matched`."""
    return matched(_pooled, "cavity-matched")(trained)


@criterion("cavity-matched-reverse")
def cavity_matched_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of −Δ|κ| among ten weights of the same unit and similar |w|, see `matched`."""
    return matched(reverse(_pooled), "cavity-matched-reverse")(trained)


@criterion("cavity-within-class")
def cavity_within_class(trained: Trained) -> dict[str, Tensor]:
    """Score Δ|κ| within classes, averaged over the classes: no class separation enters it.

    As ``cavity``, but κ is that of the samples of one class. Classes with fewer than 20 of the 2048 samples
    are left out. A weight that carries its unit alone in one of the classes is removed last.
    """
    return highest(_within_class)(trained)


@criterion("cavity-within-class-reverse")
def cavity_within_class_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score minus ``cavity-within-class``. A weight that carries its unit alone is still removed last."""
    return highest(reverse(_within_class))(trained)


@criterion("cavity-within-class-matched")
def cavity_within_class_matched(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of Δ|κ| within classes among ten weights of the same unit and similar |w|."""
    return matched(_within_class, "cavity-within-class-matched")(trained)


@criterion("cavity-within-class-matched-reverse")
def cavity_within_class_matched_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of −Δ|κ| within classes among ten weights of the same unit and similar |w|."""
    return matched(reverse(_within_class), "cavity-within-class-matched-reverse")(trained)
