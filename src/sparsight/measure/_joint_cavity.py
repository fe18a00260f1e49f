"""The joint cavity effect: the contribution of a set of weights to the non-Gaussianity of its unit."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity import cavity
from sparsight.measure._cavity_effects import Cavity
from sparsight.measure._moments import Moments, dtype_named
from sparsight.measure._sample_blocks import Samples, read_once, sample_blocks
from sparsight.measure._unit_input_pairs import AllPairs

# Rounding errors of √(Σ W² Var h) that a standard deviation must exceed, as for a unit in `cavity`.
_LEAST_SD = 1e4


@dataclass(frozen=True, eq=False, kw_only=True)
class JointCavity:
    """The effect of removing a set of weights from each unit at once, beside the sum of single effects.

    Every Δ, (out,), is a statistic of `Cavity` with the set minus the statistic without it: positive means
    that the set raises it. It is 0 where nothing is removed from the unit, and NaN where the unit, or what is
    left of it, has (almost) no variance. The ``delta_`` of the set removed at once are by brute force; the
    ``first_order_`` sum the single weights' Δ: equal to the joint effect if effects add up, and NaN where one
    of them is NaN. `num_removed` counts the nonzero weights in the set.
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


@checked(finite=("weight", "inputs"))
def joint_cavity(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Samples,
    removed: Bool[np.ndarray | Tensor, "out in"],
    *,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    single: Cavity | None = None,
    dtype: str = "float32",
) -> JointCavity:
    """Compute the contribution of a set of weights to each unit's non-Gaussianity, by removing the set.

    With S_k the set of unit k, Δκ_k = κ(λ_k) − κ(λ_k − Σ_{i∈S_k} W_ki h_i). The effects of single weights are
    its first order in the number of weights removed. Two weights of one unit interact: removing either
    lowers the unit's variance, and their inputs are correlated.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``.
    inputs : numpy.ndarray or Tensor, (n, in), or an iterable of such batches
        The layer's inputs h.
    removed : numpy.ndarray or Tensor of bool, (out, in)
        The set; ``mask & ~next_mask`` for the weights that a level prunes. Call once for each of several
        sets.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0.
    single : Cavity, optional
        Result of ``cavity(weight, inputs, mask=mask)``, if already computed: it holds the single effects,
        and the kurtosis of each unit with all its weights.
    dtype : {"float32", "float64"}
        Precision of the matrix products. Sums are float64.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, there are fewer than two samples, values are not finite, or `inputs`
        can be read only once and `single` is not given.

    Notes
    -----
    A unit has no variance if its standard deviation is at most 10⁴ ε of √(Σ W² Var h) over its weights: that
    is what rounding leaves of terms that cancel. Sample moments are biased, as in `cavity`.
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
    """Return the weights without the set, and the members of the set that have a weight."""
    dense = _tensor(weight)
    kept = dense if mask is None else torch.where(_tensor(mask).to(dense.device), dense, 0.0)
    taken = _tensor(removed).to(dense.device) & (kept != 0)
    return torch.where(taken, 0.0, kept), taken.cpu().numpy()


def _skewness_and_kurtosis(
    weight: Tensor, inputs: Samples, dtype: str
) -> tuple[Float[np.ndarray, " out"], Float[np.ndarray, " out"]]:
    """Return skewness and excess kurtosis of a layer's units; NaN for a unit without variance."""
    precision = dtype_named(dtype)
    # Pairs with no input: only the units' own moments are summed.
    moments = Moments(AllPairs(len(weight), 0), dtype=dtype, highest_order=4)
    live = weight.any(dim=0).nonzero().flatten()
    rows = weight[:, live].to(precision)
    pivot: Tensor | None = None
    sum_of_squares = torch.zeros(len(live), dtype=torch.float64, device=weight.device)
    for block in sample_blocks(inputs, weight.shape[1], weight.device):
        h = block if len(live) == block.shape[1] else block[:, live]
        h = h.to(torch.promote_types(h.dtype, precision))
        if pivot is None:
            # The mean, written so that for a constant input it is exactly that constant: the input then
            # drops out. h.mean() may miss it by a rounding error, which would pass for variance.
            pivot = h[0] + (h - h[0]).mean(dim=0)
        deviations = (h - pivot).to(precision)
        moments.update(deviations @ rows.T, deviations[:, :0])
        sum_of_squares += deviations.square().sum(dim=0, dtype=torch.float64)
    if moments.num_samples < 2:
        raise InputError(f"inputs hold {moments.num_samples} sample(s); at least 2 are needed")
    unit = moments.central()[0].cpu().numpy()  # (5, out)
    terms = (rows.double().square() @ sum_of_squares).cpu().numpy() / moments.num_samples  # Σ W² Var h
    has_variance = unit[2] > (_LEAST_SD * torch.finfo(precision).eps) ** 2 * terms
    variance = np.where(has_variance, unit[2], np.nan)
    return unit[3] / variance**1.5, unit[4] / variance**2 - 3


def _tensor(values: np.ndarray | Tensor) -> Tensor:
    # Arrays are copied: torch warns about those that are not writable.
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
