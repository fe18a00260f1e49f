"""Controls of gaussianity: the pre-activations that follow from a unit's fan-in and weight values alone.

A sum of few terms is less Gaussian than a sum of many, and pruning leaves a unit with fewer and fewer
inputs. A large kurtosis at low density therefore says nothing; only its excess over a control with the same
number of terms and the same weight values does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, Real
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._gaussianity import Gaussianity, as_numpy, gaussianity
from sparsight.streams import generator


@dataclass(frozen=True, eq=False)
class GaussianityControls:
    """Gaussianity of a layer's controls.

    Attributes
    ----------
    twin : Gaussianity or None
        The same weights on the twin inputs, all classes together; None without twin inputs.
    shuffled, random_mask : tuple of Gaussianity
        One for each draw; `draw_mean` averages them.
    """

    twin: Gaussianity | None
    shuffled: tuple[Gaussianity, ...]
    random_mask: tuple[Gaussianity, ...]


@checked(finite=("weight", "inputs", "bias", "twin_inputs"))
def gaussianity_controls(
    weight: Float[np.ndarray | Tensor, "out in"],
    mask: Bool[np.ndarray | Tensor, "out in"],
    inputs: Float[np.ndarray | Tensor, "n in"],
    *,
    bias: Float[np.ndarray | Tensor, " out"] | None = None,
    twin_inputs: Float[np.ndarray | Tensor, "m in"] | None = None,
    labels: Integer[np.ndarray | Tensor, " n"] | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    num_draws: int = 1,
    kurtosis_bias: bool = True,
) -> GaussianityControls:
    """Measure the gaussianity of the three controls of a layer.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``.
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept.
    inputs : numpy.ndarray or Tensor of float, (n, in)
        The layer's inputs h.
    bias : numpy.ndarray or Tensor of float, (out,), optional
        The layer's bias, which only moves the mean.
    twin_inputs : numpy.ndarray or Tensor of float, (m, in), optional
        The layer's inputs on the Gaussian twin of the data.
    labels, num_classes
        As in `gaussianity`: if given, the drawn controls have shape (class, unit). The twin does not,
        since the labels are those of `inputs`.
    seed : int
        Seed of the drawn controls.
    num_draws : int
        Number of draws of each control, at least 1. `draw_mean` averages statistics over draws; samples of
        different draws are never mixed.
    kurtosis_bias : bool
        The `bias` of `gaussianity`.

    Returns
    -------
    GaussianityControls

    Raises
    ------
    InputError
        If shapes do not fit or `num_draws` is below 1.
    """
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; it must be at least 1")

    def statistics(drawn: np.ndarray) -> Gaussianity:
        return gaussianity(
            preactivations(drawn, inputs, bias), labels=labels, num_classes=num_classes, bias=kurtosis_bias
        )

    weight, mask = as_numpy(weight), as_numpy(mask)
    varying = varying_inputs(inputs)
    return GaussianityControls(
        twin=None
        if twin_inputs is None
        else gaussianity(preactivations(np.where(mask, weight, 0), twin_inputs, bias), bias=kurtosis_bias),
        shuffled=tuple(
            statistics(shuffled_weight(weight, mask, varying, seed=seed, draw=draw))
            for draw in range(num_draws)
        ),
        random_mask=tuple(
            statistics(random_mask_weight(weight, mask, varying, seed=seed, draw=draw))
            for draw in range(num_draws)
        ),
    )


def draw_mean(draws: Sequence[Gaussianity], statistic: str) -> np.ndarray:
    """Return a statistic (an attribute of `Gaussianity`) averaged over draws; NaN if undefined in one."""
    average: np.ndarray = np.mean([getattr(draw, statistic) for draw in draws], axis=0)
    return average


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
    random = generator(seed, "gaussianity", "shuffled", draw)
    movable = mask if varying is None else mask & varying
    drawn = np.where(mask, weight, 0).astype(weight.dtype, copy=False)
    for unit, kept in enumerate(movable):
        places = np.flatnonzero(kept)
        drawn[unit, places] = random.permutation(drawn[unit, places])
    return drawn


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
