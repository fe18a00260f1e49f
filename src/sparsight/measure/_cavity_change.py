"""The cavity after retraining: how a level changed the effect of the weights that stay."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._means import mean_of_defined


@runtime_checkable
class EffectsOfLevel(Protocol):
    """The arrays that are compared between levels: a `Cavity` has them, and so has a stored level."""

    @property
    def delta_kurtosis(self) -> np.ndarray:
        """Δκ, (out, in)."""

    @property
    def delta_abs_kurtosis(self) -> np.ndarray:
        """Δ|κ|, (out, in)."""

    @property
    def excess_kurtosis(self) -> np.ndarray:
        """κ of each unit with all its weights, (out,)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CavityChange:
    """The change, over a level, in the effect of the same weights and the kurtosis of the same units.

    Attributes
    ----------
    delta_kurtosis, delta_abs_kurtosis : numpy.ndarray of float64, (out, in)
        Later minus earlier effect; NaN where either is undefined or the weight is missing at one level.
    excess_kurtosis : numpy.ndarray of float64, (out,)
        Later minus earlier κ of the unit, with all its weights of each level.
    mean_delta_kurtosis, mean_delta_abs_kurtosis : float
        Means of the defined entries; NaN if there are none.
    """

    delta_kurtosis: Float[np.ndarray, "out in"]
    delta_abs_kurtosis: Float[np.ndarray, "out in"]
    excess_kurtosis: Float[np.ndarray, " out"]
    mean_delta_kurtosis: float
    mean_delta_abs_kurtosis: float


@checked()
def cavity_change(
    before: EffectsOfLevel, after: EffectsOfLevel, kept: Bool[np.ndarray, "out in"]
) -> CavityChange:
    """Return how pruning and retraining changed the cavity effect from level t to level t + 1.

    Parameters
    ----------
    before, after : Cavity, or anything with the arrays of `EffectsOfLevel`
        Effects at levels t and t + 1, of the same layer on the same inputs.
    kept : numpy.ndarray of bool, (out, in)
        Weights that pruning kept after level t: the mask of level t + 1.

    Raises
    ------
    InputError
        If shapes differ.
    """
    if not before.delta_kurtosis.shape == after.delta_kurtosis.shape == kept.shape:
        raise InputError(
            f"the levels have shapes {before.delta_kurtosis.shape} and {after.delta_kurtosis.shape}, "
            f"kept has {kept.shape}; one layer is needed"
        )
    kurtosis = np.where(kept, after.delta_kurtosis - before.delta_kurtosis, np.nan)
    absolute = np.where(kept, after.delta_abs_kurtosis - before.delta_abs_kurtosis, np.nan)
    return CavityChange(
        delta_kurtosis=kurtosis,
        delta_abs_kurtosis=absolute,
        excess_kurtosis=after.excess_kurtosis - before.excess_kurtosis,
        mean_delta_kurtosis=mean_of_defined(kurtosis),
        mean_delta_abs_kurtosis=mean_of_defined(absolute),
    )
