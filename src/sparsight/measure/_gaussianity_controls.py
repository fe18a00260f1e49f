"""Controls of gaussianity: the pre-activations that follow from a unit's fan-in and weight values alone.

A sum of few terms is less Gaussian than a sum of many, and pruning leaves a unit with fewer and fewer
inputs. A large kurtosis at low density therefore says nothing; only its excess over a control with the same
number of terms and the same weight values does.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from sparsight.arguments import checked
from sparsight.measure._gaussianity import as_numpy
from sparsight.streams import generator


@checked(finite=("weight", "inputs", "bias"))
def preactivations(
    weight: Float[np.ndarray | Tensor, "out in"],
    inputs: Float[np.ndarray | Tensor, "n in"],
    bias: Float[np.ndarray | Tensor, " out"] | None = None,
) -> Float[np.ndarray, "n out"]:
    """Return λ = inputs · weightᵀ + bias, (n, out), computed on the device and in the dtype of `inputs`.

    Raises
    ------
    InputError
        If shapes do not fit, or an argument is not floating point or not finite.
    """
    h, W = _tensor(inputs), _tensor(weight)
    with torch.no_grad():
        b = None if bias is None else _tensor(bias).to(h)
        result: np.ndarray = torch.nn.functional.linear(h, W.to(h), b).cpu().numpy()  # (n, out)
    return result


@checked()
def varying_inputs(inputs: Real[np.ndarray | Tensor, "n in"]) -> np.ndarray:
    """Return which inputs are not the same number in all samples: bool, (in,)."""
    h = _tensor(inputs)
    varying: np.ndarray = (h != h[:1]).any(dim=0).cpu().numpy()
    return varying


@checked()
def shuffled_weight(
    weight: Float[np.ndarray | Tensor, "out in"],
    mask: Bool[np.ndarray | Tensor, "out in"],
    varying: Bool[np.ndarray, " in"] | None = None,
    *,
    seed: int,
    draw: int = 0,
) -> Float[np.ndarray, "out in"]:
    """Shuffle each unit's kept weights over its kept inputs: the mask stays, its match to the values goes.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``. Values under removed weights are ignored.
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept.
    varying : numpy.ndarray of bool, (in,), optional
        Only weights on inputs where this is True move, among each other; by default all. An input of zero
        variance adds no term to the sum, so a weight moved there would lower the fan-in, which the control
        has to keep.
    seed, draw : int
        The permutation is a function of both and of the mask.

    Returns
    -------
    numpy.ndarray of weight's dtype, (out, in)
        Exactly 0 outside the mask. Each row holds the same values as the row of ``weight * mask``.

    Raises
    ------
    InputError
        If shapes do not fit, or the mask is not bool.
    """
    weight, mask = as_numpy(weight), as_numpy(mask)
    columns = shuffled_columns(mask, varying, seed=seed, draw=draw)
    drawn: np.ndarray = np.take_along_axis(np.where(mask, weight, 0), columns, axis=1)
    return drawn.astype(weight.dtype, copy=False)


def shuffled_columns(
    mask: np.ndarray, varying: np.ndarray | None, *, seed: int, draw: int
) -> Int[np.ndarray, "out in"]:
    """Return from which column each weight comes in `shuffled_weight`: its own where nothing moves."""
    random = generator(seed, "gaussianity", "shuffled", draw)
    movable = mask if varying is None else mask & varying
    columns = np.tile(np.arange(mask.shape[1]), (len(mask), 1))
    for unit, kept in enumerate(movable):
        places = np.flatnonzero(kept)
        columns[unit, places] = random.permutation(places)
    return columns


@checked()
def random_mask_weight(
    weight: Float[np.ndarray | Tensor, "out in"],
    mask: Bool[np.ndarray | Tensor, "out in"],
    varying: Bool[np.ndarray, " in"] | None = None,
    *,
    seed: int,
    draw: int = 0,
) -> Float[np.ndarray, "out in"]:
    """Put each unit's kept weights on inputs drawn uniformly without replacement: same fan-in, same values.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``. Values under removed weights are ignored.
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept.
    varying : numpy.ndarray of bool, (in,), optional
        Weights on varying inputs move to varying inputs only, and those on constant inputs stay in place;
        by default all inputs count as varying. Otherwise borders that are always black would swallow weights
        of the control, which would have fewer terms than the unit it is compared with.
    seed, draw : int
        The mask is a function of both.

    Returns
    -------
    numpy.ndarray of weight's dtype, (out, in)
        Each row holds the same values as the row of ``weight * mask``, in other places.

    Raises
    ------
    InputError
        If shapes do not fit, or the mask is not bool.

    Notes
    -----
    The fan-in over varying inputs is kept exactly, but neither the variance of the inputs nor their
    correlations are: where pixels differ in variance, few of them may dominate the control. That is part of
    what a random mask means; `shuffled_weight` keeps the inputs.
    """
    weight, mask = as_numpy(weight), as_numpy(mask)
    random = generator(seed, "gaussianity", "random_mask", draw)
    drawn = np.where(mask, weight, 0).astype(weight.dtype, copy=False)
    if varying is None:
        varying = np.ones(mask.shape[1], bool)
    # Permuting a whole row, zeros included, draws places and order of the values in one step.
    drawn[:, varying] = random.permuted(drawn[:, varying], axis=1)
    return drawn


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    # torch warns about arrays that are not writable. Nothing here writes, but a copy avoids the warning.
    return torch.from_numpy(np.require(values, requirements=("C", "W")))
