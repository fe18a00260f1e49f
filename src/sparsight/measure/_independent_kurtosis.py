"""The kurtosis that a unit would have if its inputs were independent."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.measure._sample_blocks import class_members, sample_blocks
from sparsight.measure._scaled_layer import kept_weights, near_one

# Rounding errors of an input's size that its standard deviation must exceed, or the input is constant.
_LEAST_INPUT_SD = 64.0


@checked(finite=("weight", "inputs"))
def independent_kurtosis(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Shaped[np.ndarray | Tensor, "n in"],
    *,
    labels: Integer[np.ndarray | Tensor, " n"] | None = None,
    num_classes: int | None = None,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
) -> Float[np.ndarray, "*group out"]:
    r"""Return the excess kurtosis that independent inputs with the same marginals would give each unit.

    Cumulants of independent terms add up, so with variance σᵢ² and excess kurtosis κᵢ of input i

    .. math:: \kappa_\mathrm{independent} = \sum_i w_i^4 \sigma_i^4 \kappa_i / (\sum_i w_i^2 \sigma_i^2)^2.

    For identical inputs this is κ_input · Σw⁴/(Σw²)², the inverse participation ratio of the weights: fewer
    effective inputs leave a unit less Gaussian, whatever they are. What a unit has beyond it comes from
    inputs that depend on each other. So conditions that differ in the number of effective inputs can be
    compared by it.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``.
    inputs : numpy.ndarray or Tensor, (n, in)
        The layer's inputs.
    labels : numpy.ndarray or Tensor of int, (n,), optional
        If given, the marginals are those within each class, and the result has shape (class, out).
    num_classes : int, optional
        Number of rows of the result; by default the largest label + 1.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0.

    Returns
    -------
    numpy.ndarray of float64, (out,) or (class, out)
        NaN for a unit without a kept input that varies, and for a class of fewer than two samples.

    Raises
    ------
    InputError
        If shapes, dtypes or labels do not fit, or values are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsight.measure import independent_kurtosis
    >>> coins = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])  # κ = −2 each, ipr = ½
    >>> independent_kurtosis(np.array([[0.3, 0.3]]), coins)
    array([-1.])
    """
    kept = near_one(kept_weights(weight, mask))
    everything = np.arange(len(inputs))
    groups = [everything] if labels is None else class_members(inputs, labels, num_classes)
    found = np.full((len(groups), kept.shape[0]), np.nan)
    squares = kept.weight.square()
    for row, chosen in enumerate(groups):
        if len(chosen) < 2:
            continue
        variance, cumulant = _cumulants(inputs, chosen, kept.shape[1], kept.weight.device)
        variance, cumulant = variance[kept.columns], cumulant[kept.columns]
        total = squares @ variance
        kurtosis = squares.square() @ cumulant / torch.where(total > 0, total, torch.nan).square()
        found[row, kept.rows.cpu().numpy()] = kurtosis.cpu().numpy()
    return found[0] if labels is None else found


def _cumulants(
    inputs: np.ndarray | Tensor, chosen: np.ndarray, num_inputs: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return variance and fourth cumulant m₄ − 3m₂² of each input, (in,), both 0 if it is constant."""

    def mean_of_powers(origin: Tensor, powers: tuple[int, ...]) -> list[Tensor]:
        sums = [torch.zeros(num_inputs, dtype=torch.float64, device=device) for _ in powers]
        for block in sample_blocks(inputs, num_inputs, device, chosen):
            for total, power in zip(sums, powers, strict=True):
                total += (block.double() - origin).pow(power).sum(dim=0)
        return [total / len(chosen) for total in sums]

    # Around the first sample, a constant input has exactly the mean 0.
    first = next(sample_blocks(inputs, num_inputs, device, chosen))[0].double()
    (shift,) = mean_of_powers(first, (1,))
    second, fourth = mean_of_powers(first + shift, (2, 4))
    eps = torch.finfo(torch.float64).eps
    varies = second > (_LEAST_INPUT_SD * eps * first.abs()) ** 2
    return second * varies, (fourth - 3 * second.square()) * varies
