"""Pre-activations that a unit would have by its fan-in and weight values alone: the controls of gaussianity.

A sum of few terms is less Gaussian than a sum of many, and a unit has fewer and fewer inputs as pruning
goes on. So a large kurtosis at low density says nothing by itself: only what it has beyond a control with
the same number of terms and the same weight values does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._gaussianity import Gaussianity, gaussianity
from sparsight.streams import generator


@dataclass(frozen=True, eq=False)
class GaussianityControls:
    """Gaussianity of a layer's controls.

    Attributes
    ----------
    twin : Gaussianity or None
        The same weights on the twin inputs, all classes together; None without twin inputs.
    shuffled, random_mask : tuple of Gaussianity
        One for each draw. `draw_mean` averages them.
    """

    twin: Gaussianity | None
    shuffled: tuple[Gaussianity, ...]
    random_mask: tuple[Gaussianity, ...]


@checked(
    finite=("weight", "inputs", "bias", "twin_inputs"),
    weight="floats out in",
    mask="bool out in",
    inputs="floats n in",
    bias="floats out",
    twin_inputs="floats m in",
    labels="whole n",
)
def gaussianity_controls(
    weight: np.ndarray | Tensor,
    mask: np.ndarray | Tensor,
    inputs: np.ndarray | Tensor,
    *,
    bias: np.ndarray | Tensor | None = None,
    twin_inputs: np.ndarray | Tensor | None = None,
    labels: np.ndarray | Tensor | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    num_draws: int = 1,
    kurtosis_bias: bool = True,
) -> GaussianityControls:
    """Measure the gaussianity of the three controls of a layer.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept.
    inputs : numpy.ndarray or Tensor of float, (n, in)
        The layer's inputs h.
    bias : numpy.ndarray or Tensor of float, (out,), optional
        The layer's bias. It moves the mean only.
    twin_inputs : numpy.ndarray or Tensor of float, (m, in), optional
        The layer's inputs on the Gaussian twin of the data.
    labels, num_classes
        As in `gaussianity`: if given, the drawn controls have shape (class, unit). The twin does not,
        for the labels are those of `inputs`.
    seed : int
    num_draws : int
        At least 1. Draws are averaged statistic by statistic, never sample by sample.
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

    weight, mask = _checked_layer(weight, mask, inputs)
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


@checked(finite=("weight", "inputs", "bias"), weight="floats out in", inputs="floats n in", bias="floats out")
def preactivations(
    weight: np.ndarray | Tensor, inputs: np.ndarray | Tensor, bias: np.ndarray | Tensor | None = None
) -> Float[np.ndarray, "n out"]:
    """Return λ = inputs · weightᵀ + bias, (n, out), computed where `inputs` are and in their dtype.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
    inputs : numpy.ndarray or Tensor of float, (n, in)
    bias : numpy.ndarray or Tensor of float, (out,), optional

    Raises
    ------
    InputError
        If shapes do not fit, or weight or inputs are not floating point.
    """
    h, W = _tensor(inputs), _tensor(weight)
    if W.ndim != 2 or h.ndim != 2 or W.shape[1] != h.shape[1]:
        raise InputError(
            f"weight has shape {tuple(W.shape)} and inputs {tuple(h.shape)}; (out, in) and (n, in) are needed"
        )
    if not (h.is_floating_point() and W.is_floating_point()):
        raise InputError(f"weight is {W.dtype} and inputs are {h.dtype}; floating point is needed in both")
    if bias is not None and tuple(bias.shape) != (len(W),):
        raise InputError(f"bias has shape {tuple(bias.shape)}; ({len(W)},), one for each unit, is needed")
    with torch.no_grad():
        b = None if bias is None else _tensor(bias).to(h)
        result: np.ndarray = torch.nn.functional.linear(h, W.to(h), b).cpu().numpy()  # (n, out)
    return result


@checked(inputs="real n in")
def varying_inputs(inputs: np.ndarray | Tensor) -> np.ndarray:
    """Return which inputs are not the same number in all samples: bool, (in,)."""
    h = _tensor(inputs)
    varying: np.ndarray = (h != h[:1]).any(dim=0).cpu().numpy()
    return varying


@checked(weight="floats out in", mask="bool out in", varying="bool in")
def shuffled_weight(
    weight: np.ndarray | Tensor,
    mask: np.ndarray | Tensor,
    varying: np.ndarray | None = None,
    *,
    seed: int,
    draw: int = 0,
) -> Float[np.ndarray, "out in"]:
    """Shuffle each unit's kept weights over its kept inputs: the mask stays, the match to it goes.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept. What is stored under a removed weight is ignored.
    varying : numpy.ndarray of bool, (in,), optional
        Weights move among inputs where this is True only; the others stay. An input of zero variance
        adds no term to the sum, so a weight put there would lower the fan-in that the control has to
        keep. All inputs if left out.
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
    weight, mask = _checked_layer(weight, mask)
    random = generator(seed, "gaussianity", "shuffled", draw)
    movable = mask if varying is None else mask & _checked_varying(varying, mask)
    drawn = np.where(mask, weight, 0).astype(weight.dtype, copy=False)
    for unit, kept in enumerate(movable):
        places = np.flatnonzero(kept)
        drawn[unit, places] = random.permutation(drawn[unit, places])
    return drawn


@checked(weight="floats out in", mask="bool out in", varying="bool in")
def random_mask_weight(
    weight: np.ndarray | Tensor,
    mask: np.ndarray | Tensor,
    varying: np.ndarray | None = None,
    *,
    seed: int,
    draw: int = 0,
) -> Float[np.ndarray, "out in"]:
    """Put each unit's kept weights on inputs drawn uniformly without replacement: same fan-in, same values.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
    mask : numpy.ndarray or Tensor of bool, (out, in)
        True = kept. What is stored under a removed weight is ignored.
    varying : numpy.ndarray of bool, (in,), optional
        Weights on varying inputs move to varying inputs only, those on constant inputs stay where they
        are. Otherwise borders that are always black would swallow weights of the control, which then
        had fewer terms than the unit it is compared with. All inputs if left out.
    seed, draw : int
        The mask is a function of both.

    Returns
    -------
    numpy.ndarray of weight's dtype, (out, in)
        Each row holds the same values as the row of ``weight * mask``, at other places.

    Raises
    ------
    InputError
        If shapes do not fit, or the mask is not bool.

    Notes
    -----
    The fan-in over varying inputs is kept exactly, but not the variance of the inputs drawn nor their
    correlations: where pixels differ in variance, few pixels may dominate the control. That is part of
    what a random mask means; `shuffled_weight` keeps the inputs.
    """
    weight, mask = _checked_layer(weight, mask)
    random = generator(seed, "gaussianity", "random_mask", draw)
    drawn = np.where(mask, weight, 0).astype(weight.dtype, copy=False)
    if varying is None:
        varying = np.ones(mask.shape[1], bool)
    _checked_varying(varying, mask)
    # a whole row permuted, zeros included: places and values are uniform in one step
    drawn[:, varying] = random.permuted(drawn[:, varying], axis=1)
    return drawn


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    # torch warns of arrays it could not write to; nothing here writes, but a copy is the plain way out
    return (
        values
        if isinstance(values, Tensor)
        else torch.from_numpy(np.require(values, requirements=("C", "W")))
    )


def _checked_varying(varying: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if varying.shape != mask.shape[1:] or varying.dtype != np.bool_:
        raise InputError(
            f"varying is {varying.dtype}{varying.shape}; bool of shape ({mask.shape[1]},), one for each "
            "input, is needed"
        )
    return varying


def _checked_layer(
    weight: np.ndarray | Tensor, mask: np.ndarray | Tensor, inputs: np.ndarray | Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    weight, mask = (a.detach().cpu().numpy() if isinstance(a, Tensor) else a for a in (weight, mask))
    if weight.ndim != 2 or weight.dtype.kind != "f":
        raise InputError(f"weight is {weight.dtype}{weight.shape}; floats of shape (out, in) are needed")
    if mask.shape != weight.shape or mask.dtype != np.bool_:
        raise InputError(f"mask is {mask.dtype}{mask.shape}; bool of weight's shape {weight.shape} is needed")
    if inputs is not None and (inputs.ndim != 2 or inputs.shape[1] != weight.shape[1]):
        raise InputError(
            f"inputs have shape {tuple(inputs.shape)}; (n, {weight.shape[1]}) is needed, "
            "a column for each column of weight"
        )
    return weight, mask
