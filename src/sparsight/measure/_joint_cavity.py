"""What a set of weights adds to the non-Gaussianity of its unit, removed together and summed one by one."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity import Cavity, cavity
from sparsight.measure._moments import Moments, dtype_named
from sparsight.measure._sample_blocks import Samples, read_once, sample_blocks
from sparsight.measure._unit_input_pairs import AllPairs

_LEAST_SD = 1e4
"""Roundings of √(Σ W² Var h) that a standard deviation must exceed, as for a unit in `cavity`."""


@dataclass(frozen=True, eq=False)
class JointCavity:
    """The effect of removing a set of weights from each unit at once, beside the sum of single effects.

    Every Δ is the statistic with the set minus the statistic without it: positive means that the set raises
    it. 0 where nothing is removed from the unit; NaN where the unit, or what is left of it, has (almost) no
    variance.

    Attributes
    ----------
    delta_kurtosis, delta_abs_kurtosis, delta_skewness, delta_negentropy : numpy.ndarray of float64, (out,)
        Of the set, by brute force. Statistics as in `Cavity`.
    first_order_kurtosis, first_order_abs_kurtosis : numpy.ndarray of float64, (out,)
    first_order_skewness, first_order_negentropy : numpy.ndarray of float64, (out,)
        Σ over the set of the single weights' Δ: equal to the joint effect if effects add up.
        NaN where one of them is.
    num_removed : numpy.ndarray of int64, (out,)
        Weights other than 0 in the set.
    """

    delta_kurtosis: Float[np.ndarray, " out"]
    delta_abs_kurtosis: Float[np.ndarray, " out"]
    delta_skewness: Float[np.ndarray, " out"]
    delta_negentropy: Float[np.ndarray, " out"]
    first_order_kurtosis: Float[np.ndarray, " out"]
    first_order_abs_kurtosis: Float[np.ndarray, " out"]
    first_order_skewness: Float[np.ndarray, " out"]
    first_order_negentropy: Float[np.ndarray, " out"]
    num_removed: Int[np.ndarray, " out"]

    @property
    def num_undefined(self) -> int:
        """Number of units whose joint effect is NaN."""
        return int(np.isnan(self.delta_kurtosis).sum())


@checked(
    finite=("weight", "inputs"),
    weight="numbers out in",
    mask="bool out in",
    removed="bool out in",
    inputs="batches numbers n in",
)
def joint_cavity(
    weight: np.ndarray | Tensor,
    inputs: Samples,
    removed: np.ndarray | Tensor,
    *,
    mask: np.ndarray | Tensor | None = None,
    single: Cavity | None = None,
    dtype: str = "float32",
) -> JointCavity:
    """Compute what each unit's set of weights adds to its non-Gaussianity, by computing the unit without it.

    With S_k the set of unit k, Δκ_k = κ(λ_k) − κ(λ_k − Σ_{i∈S_k} W_ki h_i). The single-weight effects are its
    first order in the number of weights removed: between two weights of one unit there is an interaction
    (the unit's variance falls with each, and the inputs are correlated).

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
    inputs : numpy.ndarray or Tensor, (n, in), or an iterable of such batches
        The layer's inputs h.
    removed : numpy.ndarray or Tensor of bool, (out, in)
        The set; ``mask & ~next_mask`` for what a level prunes. For several sets call once for each.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0.
    single : Cavity, optional
        ``cavity(weight, inputs, mask=mask)`` of the same arguments, if it is there already: the single
        effects, and the kurtosis of each unit with all its weights.
    dtype : {"float32", "float64"}
        Of the matrix products. Sums are float64.

    Returns
    -------
    JointCavity

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, there are fewer than two samples, values are not finite, or `inputs`
        can be read only once and `single` is not given.

    Notes
    -----
    No variance: a standard deviation of at most 10⁴ ε of √(Σ W² Var h) over the weights it is made of, which
    is what rounding leaves of terms that cancel. Biased sample moments, as in `cavity`.
    """
    if single is None:
        if read_once(inputs):
            raise InputError(
                "inputs can be read only once; give single=cavity(…), or inputs as an array or list"
            )
        single = cavity(weight, inputs, mask=mask, dtype=dtype)
    rest, taken = _rest_and_taken(weight, removed, mask)
    if single.delta_kurtosis.shape != rest.shape:
        raise InputError(
            f"single is of a layer of shape {single.delta_kurtosis.shape}; {tuple(rest.shape)} is needed"
        )
    skew, kurt = single.skewness, single.excess_kurtosis
    skew_without, kurt_without = _skewness_and_kurtosis(rest, inputs, dtype)
    none_taken = ~taken.any(axis=1)

    def effect(with_set: np.ndarray, without: np.ndarray) -> np.ndarray:
        return np.where(none_taken, 0.0, with_set - without)

    def first_order(deltas: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(taken, deltas, 0.0).sum(axis=1))

    return JointCavity(
        delta_kurtosis=effect(kurt, kurt_without),
        delta_abs_kurtosis=effect(np.abs(kurt), np.abs(kurt_without)),
        delta_skewness=effect(skew, skew_without),
        delta_negentropy=effect(skew**2 / 12 + kurt**2 / 48, skew_without**2 / 12 + kurt_without**2 / 48),
        first_order_kurtosis=first_order(single.delta_kurtosis),
        first_order_abs_kurtosis=first_order(single.delta_abs_kurtosis),
        first_order_skewness=first_order(single.delta_skewness),
        first_order_negentropy=first_order(single.delta_negentropy),
        num_removed=taken.sum(axis=1),
    )


def _rest_and_taken(
    weight: np.ndarray | Tensor, removed: np.ndarray | Tensor, mask: np.ndarray | Tensor | None
) -> tuple[Tensor, Bool[np.ndarray, "out in"]]:
    """Return the weights without the set, and the set as far as it holds weights."""
    dense = _tensor(weight)
    sets = {"removed": _tensor(removed).to(dense.device)}
    if mask is not None:
        sets["mask"] = _tensor(mask).to(dense.device)
    for name, chosen in sets.items():
        if chosen.shape != dense.shape or chosen.dtype != torch.bool:
            raise InputError(
                f"{name} is {chosen.dtype} of shape {tuple(chosen.shape)}; bool of weight's shape "
                f"{tuple(dense.shape)} is needed"
            )
    kept = torch.where(sets["mask"], dense, 0.0) if "mask" in sets else dense
    taken = sets["removed"] & (kept != 0)
    return torch.where(taken, 0.0, kept), taken.cpu().numpy()


def _skewness_and_kurtosis(
    weight: Tensor, inputs: Samples, dtype: str
) -> tuple[Float[np.ndarray, " out"], Float[np.ndarray, " out"]]:
    """Return skewness and excess kurtosis of a layer's units."""
    precision = dtype_named(dtype)
    moments = Moments(
        AllPairs(len(weight), 0), dtype=dtype, highest_order=4
    )  # of units alone: pairs with no input
    live = weight.any(dim=0).nonzero().flatten()
    rows = weight[:, live].to(precision)
    pivot: Tensor | None = None
    sum_of_squares = torch.zeros(len(live), dtype=torch.float64, device=weight.device)
    for block in sample_blocks(inputs, weight.shape[1], weight.device):
        h = block if len(live) == block.shape[1] else block[:, live]
        h = h.to(torch.promote_types(h.dtype, precision))
        if pivot is None:
            # of a constant input exactly its value, so that it drops out
            pivot = h[0] + (h - h[0]).mean(dim=0)
        deviations = (h - pivot).to(precision)
        moments.update(deviations @ rows.T, deviations[:, :0])
        sum_of_squares += deviations.square().sum(dim=0, dtype=torch.float64)
    if moments.num_samples < 2:
        raise InputError(f"inputs hold {moments.num_samples} sample(s); at least 2 are needed")
    unit = moments.central().unit  # (5, out)
    terms = (rows.double().square() @ sum_of_squares).cpu().numpy() / moments.num_samples  # Σ W² Var h
    has_variance = unit[2] > (_LEAST_SD * torch.finfo(precision).eps) ** 2 * terms
    variance = np.where(has_variance, unit[2], np.nan)
    return unit[3] / variance**1.5, unit[4] / variance**2 - 3


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    # a copy of arrays: torch warns of those it could not write to
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
