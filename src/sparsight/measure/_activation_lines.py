"""Lines below and above an activation on a range, and the balls of inputs that bounds hold in."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS

Lines = Literal["tight", "adaptive", "constant"]
Norm = Literal["inf", "2"]


@dataclass(frozen=True, eq=False)
class Range:
    """Bounds of values, each (n, units)."""

    lower: np.ndarray
    upper: np.ndarray

    def activated(self, activation: str) -> "Range":
        """Return the range after an activation, none of which ever decreases."""
        function = ACTIVATIONS[activation]
        return Range(function(self.lower), function(self.upper))


@dataclass(frozen=True, eq=False)
class LinesOfUnits:
    """For each sample and unit, the line slope · z + offset below and above its activation: (n, units)."""

    lower_slope: np.ndarray
    lower_offset: np.ndarray
    upper_slope: np.ndarray
    upper_offset: np.ndarray


def lines_of(activation: str, found: Range, lines: Lines) -> LinesOfUnits:
    r"""Return lines that an activation stays between while z is in the range.

    An unstable ReLU, l < 0 < u, is below the chord u / (u − l) · (z − l). Below it lie 0 (``tight``), or z if
    u ≥ \|l\| and 0 otherwise (``adaptive``). ``constant`` lines are relu(l) and relu(u), at all units.
    """
    lower, upper = found.lower, found.upper
    zeros, ones = np.zeros_like(lower), np.ones_like(lower)
    if activation == "linear":
        return LinesOfUnits(ones, zeros, ones, zeros)
    if activation != "relu":
        raise InputError(
            f"the chain has the activation {activation!r}; lines are known for relu and linear: use "
            "method = 'interval'"
        )
    if lines == "constant":
        after = found.activated("relu")
        return LinesOfUnits(zeros, after.lower, zeros, after.upper)
    is_active = lower >= 0
    is_unstable = (lower < 0) & (upper > 0)
    chord = np.divide(upper, upper - lower, out=is_active.astype(np.float64), where=is_unstable)
    below = is_active | (is_unstable & (upper >= -lower)) if lines == "adaptive" else is_active
    return LinesOfUnits(
        lower_slope=below.astype(np.float64),
        lower_offset=zeros,
        upper_slope=chord,
        upper_offset=np.where(is_unstable, -chord * lower, 0.0),
    )


def dual_norm(weight: np.ndarray, norm: Norm) -> np.ndarray:
    """Return max w·δ over the unit ball of the norm, along the last axis (Hölder)."""
    if norm == "inf":
        return np.asarray(np.abs(weight).sum(axis=-1))
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", weight, weight)))


def check_ball(epsilon: np.ndarray, num_samples: int, norm: str) -> np.ndarray:
    """Return the radius of each sample's ball, float64 (n,), from one for all or one for each.

    Raises
    ------
    InputError
        If the norm is unknown, or radii are of another number, negative, NaN or infinite.
    """
    if norm not in get_args(Norm):
        raise InputError(f"norm is {norm!r}; allowed are {', '.join(map(repr, get_args(Norm)))}")
    radii = np.asarray(epsilon)
    if radii.dtype.kind not in "fiu" or radii.shape not in ((), (num_samples,)):
        raise InputError(
            f"epsilon is {radii.dtype} of shape {radii.shape}; a number, or one for each of the "
            f"{num_samples} samples, is needed"
        )
    if not (np.isfinite(radii).all() and (radii >= 0).all()):
        raise InputError("epsilon holds negative, NaN or infinite radii; 0 or more is allowed")
    return np.broadcast_to(radii.astype(np.float64), (num_samples,))
