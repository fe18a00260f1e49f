"""The class-variance score: how far the classes differ in the variance of a unit, a score of second order.

The kurtosis of a mixture of classes rises with the difference between the variances of the classes, even if
every class is Gaussian. This score measures that difference alone, without any fourth moment.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.measure._sample_blocks import class_members, sample_blocks
from sparsight.measure._scaled_layer import KeptWeights, kept_weights, near_one

# Rounding errors of √(Σ W² Var h) that a standard deviation must exceed, as for a unit in `cavity`.
_LEAST_SD = 1e4
# Share of Var + W² Var h that must be left without the weight. The terms cancel to about ten rounding errors,
# so the score is then still good to 1e-6.
_LEAST_RESOLVED_SHARE = 1e-8


@checked(finite=("weight", "inputs"))
def class_variance_score(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Shaped[np.ndarray | Tensor, "n in"],
    labels: Integer[np.ndarray | Tensor, " n"],
    *,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    num_classes: int,
) -> Float[np.ndarray, " out"]:
    r"""Return how far the classes differ in the variance of each unit's pre-activation.

    .. math:: q = \mathrm{Var}_c(v_c) / \mathrm{Mean}_c(v_c)^2

    where :math:`v_c` is the variance within class c (ddof 0), and the variance over classes has ddof 0 and
    equal weights. For two classes :math:`q = ((v_0 - v_1)/(v_0 + v_1))^2`; two Gaussian classes of equal size
    and mean have, together, the excess kurtosis 3q. q lies between 0 (equal variances) and num_classes − 1.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``.
    inputs : numpy.ndarray or Tensor, (n, in)
        The layer's inputs h.
    labels : numpy.ndarray or Tensor of int, (n,)
        Classes, 0 … num_classes − 1. A class with fewer than two samples is left out.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0.
    num_classes : int
        Number of classes.

    Returns
    -------
    numpy.ndarray of float64, (out,)
        NaN for a unit without variance, and everywhere if fewer than two classes have two samples.

    Raises
    ------
    InputError
        If shapes, dtypes or labels do not fit, or values are not finite.
    """
    kept = near_one(kept_weights(weight, mask))
    total, squares, num_used = _sums_over_classes(kept, inputs, labels, num_classes)
    score = _score(total, squares, num_used)
    whole = np.full(kept.shape[0], np.nan)
    whole[kept.rows.cpu().numpy()] = score.cpu().numpy()
    return whole


@checked(finite=("weight", "inputs"))
def class_variance_effect(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Shaped[np.ndarray | Tensor, "n in"],
    labels: Integer[np.ndarray | Tensor, " n"],
    *,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    num_classes: int,
) -> Float[np.ndarray, "out in"]:
    """Return what each weight adds to the class-variance score of its unit: the score with minus without it.

    The counterpart of `cavity` without a fourth moment. Without weight i the variance of the unit in class c
    is v_c − 2W Cov_c(λ, h) + W² Var_c(h), so one matrix product per class gives the effect of every weight,
    exactly, for the given samples. Parameters and errors are those of `class_variance_score`.

    Returns
    -------
    numpy.ndarray of float64, (out, in)
        Exactly 0 where the weight is 0 or masked out. NaN where the unit, or the unit without the weight, has
        (almost) no variance, and everywhere else if fewer than two classes have two samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsight.measure import class_variance_effect
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(20000) % 2
    >>> inputs = rng.normal(size=(20000, 2)) * np.stack([1 + labels, np.ones(20000)], axis=1)
    >>> effect = class_variance_effect(np.ones((1, 2)), inputs, labels, num_classes=2)
    >>> effect.round(1)  # with both q = (3/7)²; the second input alone has 0, the first alone (3/5)²
    array([[ 0.2, -0.2]])
    """
    kept = near_one(kept_weights(weight, mask))
    total, squares, num_used = _sums_over_classes(kept, inputs, labels, num_classes)
    without, without_squares = torch.zeros_like(kept.weight), torch.zeros_like(kept.weight)
    largest = torch.zeros_like(kept.weight)  # of the terms that cancel in the variance without the weight
    for variance, covariance, of_inputs in _second_moments(kept, inputs, labels, num_classes):
        own = kept.weight.square() * of_inputs
        rest = (variance[:, None] - 2 * kept.weight * covariance + own).clamp_(min=0)
        without += rest
        without_squares += rest.square()
        largest += variance[:, None] + own
    without[without <= _LEAST_RESOLVED_SHARE * largest] = torch.nan
    effect = _score(total, squares, num_used)[:, None] - _score(without, without_squares, num_used)
    effect[kept.weight == 0] = 0.0
    whole = np.zeros(kept.shape)
    rows, columns = kept.rows.cpu().numpy(), kept.columns.cpu().numpy()
    whole[rows[:, None], columns[None, :]] = effect.cpu().numpy()
    return whole


def _score(total: Tensor, squares: Tensor, num_used: int) -> Tensor:
    """Return Var/Mean² from the sum of values and that of their squares; NaN for fewer than two values."""
    if num_used < 2:
        return torch.full_like(total, torch.nan)
    return (num_used * squares / total.square() - 1).clamp_(min=0)


def _sums_over_classes(
    kept: KeptWeights,
    inputs: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    num_classes: int,
) -> tuple[Tensor, Tensor, int]:
    """Return Σ_c v_c and Σ_c v_c² of each kept unit, NaN without variance, and the number of classes used."""
    total = kept.weight.new_zeros(len(kept.rows))
    squares, terms, num_used = total.clone(), total.clone(), 0
    for variance, _, of_inputs in _second_moments(kept, inputs, labels, num_classes):
        total += variance
        squares += variance.square()
        terms += kept.weight.square() @ of_inputs
        num_used += 1
    total[total <= (_LEAST_SD * torch.finfo(torch.float64).eps) ** 2 * terms] = torch.nan
    return total, squares, num_used


def _second_moments(
    kept: KeptWeights,
    inputs: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    num_classes: int,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield, by class, Var λ (rows,), Cov(λ, h) (rows, columns) and Var h (columns,), ddof 0, float64."""
    for chosen in class_members(inputs, labels, num_classes):
        if len(chosen) < 2:
            continue
        pivot: Tensor | None = None
        cross = torch.zeros_like(kept.weight)
        unit = kept.weight.new_zeros((2, len(kept.rows)))
        of_input = kept.weight.new_zeros((2, len(kept.columns)))
        for block in sample_blocks(inputs, kept.shape[1], kept.weight.device, chosen):
            h = (block if kept.has_all_inputs else block[:, kept.columns]).double()
            if pivot is None:
                # Written so that for a constant input it is exactly that constant, and nothing is left of it.
                pivot = h[0] + (h - h[0]).mean(dim=0)
            deviations = h - pivot
            lam = deviations @ kept.weight.T
            cross += lam.T @ deviations
            unit += torch.stack([lam.sum(dim=0), lam.square().sum(dim=0)])
            of_input += torch.stack([deviations.sum(dim=0), deviations.square().sum(dim=0)])
        unit, of_input, cross = unit / len(chosen), of_input / len(chosen), cross / len(chosen)
        yield (
            unit[1] - unit[0].square(),
            cross - unit[0][:, None] * of_input[0],
            of_input[1] - of_input[0].square(),
        )
