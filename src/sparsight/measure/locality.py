"""Locality: how often two kept inputs of one unit lie close together or far apart, against a null."""

from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure.nulls import Null, pair_share, sample_masks
from sparsight.measure.pair_counts import (
    available_pairs,
    far_displacements,
    mean_squared_displacement,
    near_displacements,
    pair_counts,
    unit_pair_counts,
)

_UNITS_PER_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Locality:
    """Pair counts of a layer's receptive fields, and what a null expects.

    Attributes
    ----------
    null : {"uniform", "fan_in", "configuration"}
    same_channel, different_channel : numpy.ndarray of float64, grid of displacements
        S^sc(d), S^dc(d), summed over units; see `sparsight.measure.pair_counts.unit_pair_counts`.
    same_channel_expected, different_channel_expected : numpy.ndarray of float64, grid
        Their expectation under the null.
    near, far : float
        Σ S^sc(d) over |d| ≤ 1.5, or |d| ≥ D/4, divided by its expectation: 1 is chance. NaN where the null
        expects no pair.
    near_different_channel, far_different_channel : float
        The same for S^dc (near with d = 0). NaN with one channel.
    radius_of_gyration : float
        √(Σ|d|² S^sc / Σ S^sc) over the same of the expectation: 1 is chance, below is compact.
    near_z, far_z : float
        (Σ S^sc − mean) / sd over masks drawn from the null; NaN without draws or spread.
    near_interval, far_interval : tuple of float
        Central 95 % of the ratio's values under the null itself (draws over expectation): a ratio
        outside is more, or less, than chance explains. NaN without draws.
    """

    null: Null
    same_channel: np.ndarray
    different_channel: np.ndarray
    same_channel_expected: np.ndarray
    different_channel_expected: np.ndarray
    near: float
    far: float
    near_different_channel: float
    far_different_channel: float
    radius_of_gyration: float
    near_z: float
    far_z: float
    near_interval: tuple[float, float]
    far_interval: tuple[float, float]


def locality(
    mask: Any, geometry: Geometry, *, null: str = "fan_in", num_samples: int = 0, seed: int = 0
) -> Locality:
    """Measure how local the receptive fields of a layer's mask are.

    Parameters
    ----------
    mask : array-like or Tensor of bool, (out, in)
        True = kept; ``in`` is ``geometry.num_inputs``.
    geometry : Geometry
    null : {"uniform", "fan_in", "configuration"}
        What random masks share with this one: the number of kept weights; that of each unit; that of each
        unit and that of each input. Without the last, a set of objects in the centre of the image looks
        local. The first two have closed forms (`pair_share`), the third is the mean over draws.
    num_samples : int
        Masks drawn from the null, for z and interval; at least 1 for ``configuration``.
    seed : int
        Of the draws.

    Returns
    -------
    Locality

    Raises
    ------
    InputError
        If the mask is not bool, does not fit the geometry, or `null` or `num_samples` are out of range.

    Notes
    -----
    S(d) follows Pellegrini & Biroli, arXiv 2104.13343; nulls, near and far are this package's.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = locality(rng.random((200, 400)) < 0.05, Geometry(1, (20, 20)))
    >>> abs(found.near - 1) < 0.05
    True
    """
    mask, null = _checked(mask, geometry), _checked_null(null, num_samples)
    counts = pair_counts(mask, geometry)
    draws = [pair_counts(sample, geometry) for sample in sample_masks(mask, null, num_samples, seed)]
    if null == "configuration":
        expected = [np.mean([draw[kind] for draw in draws], axis=0) for kind in (0, 1)]
    else:
        share = pair_share(mask, null)
        expected = [share * available for available in available_pairs(geometry)]
    near, far = near_displacements(geometry), far_displacements(geometry)
    near_draws = np.array([draw[0][near].sum() for draw in draws])
    far_draws = np.array([draw[0][far].sum() for draw in draws])
    return Locality(
        null=null,
        same_channel=counts[0],
        different_channel=counts[1],
        same_channel_expected=expected[0],
        different_channel_expected=expected[1],
        near=_ratio(counts[0][near].sum(), expected[0][near].sum()),
        far=_ratio(counts[0][far].sum(), expected[0][far].sum()),
        near_different_channel=_ratio(counts[1][near].sum(), expected[1][near].sum()),
        far_different_channel=_ratio(counts[1][far].sum(), expected[1][far].sum()),
        radius_of_gyration=float(
            np.sqrt(
                _ratio(
                    mean_squared_displacement(counts[0], geometry),
                    mean_squared_displacement(expected[0], geometry),
                )
            )
        ),
        near_z=_z(counts[0][near].sum(), near_draws),
        far_z=_z(counts[0][far].sum(), far_draws),
        near_interval=_interval(near_draws, expected[0][near].sum()),
        far_interval=_interval(far_draws, expected[0][far].sum()),
    )


def unit_locality(mask: Any, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return near and far of every unit, against the ``fan_in`` expectation of that unit.

    Parameters
    ----------
    mask, geometry
        As in `locality`.

    Returns
    -------
    near, far : numpy.ndarray of float64, (out,)
        NaN for units with fewer than two kept inputs.
    """
    mask = _checked(mask, geometry)
    near, far = near_displacements(geometry), far_displacements(geometry)
    observed = np.zeros((2, len(mask)))
    for start in range(0, len(mask), _UNITS_PER_BLOCK):
        block = slice(start, start + _UNITS_PER_BLOCK)
        same = unit_pair_counts(mask[block], geometry)[0]
        observed[:, block] = same[:, near].sum(axis=1), same[:, far].sum(axis=1)
    fan_in = mask.sum(axis=1, dtype=np.float64)
    share = fan_in * (fan_in - 1) / max(mask.shape[1] * (mask.shape[1] - 1), 1)
    available = available_pairs(geometry)[0]
    expected = np.outer([available[near].sum(), available[far].sum()], share)
    ratios = np.full(observed.shape, np.nan)
    np.divide(observed, expected, out=ratios, where=expected > 0)
    return ratios[0], ratios[1]


def weighted_pair_counts_expected(weights: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected pair counts of weights whose values are permuted within each unit.

    With w the non-negative weights of a unit on N inputs, the expectation of a product of two of them at
    distinct inputs is ((Σw)² − Σw²) / (N (N − 1)); times A(d), summed over units.

    Parameters
    ----------
    weights : numpy.ndarray of non-negative numbers, (out, in)
        Squared weights, or numbers of paths.
    geometry : Geometry
    """
    values = weights.astype(np.float64)
    num_inputs = values.shape[1]
    products = values.sum(axis=1) ** 2 - (values**2).sum(axis=1)
    share = products.sum() / max(num_inputs * (num_inputs - 1), 1)
    same, different = available_pairs(geometry)
    return share * same, share * different


def _checked(mask: Any, geometry: Geometry) -> np.ndarray:
    array = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask)
    if array.ndim != 2 or array.shape[1] != geometry.num_inputs or array.dtype != np.bool_:
        raise InputError(
            f"mask is {array.dtype}{array.shape}; bool with (out, {geometry.num_inputs}) fits the geometry"
        )
    return array


def _checked_null(null: str, num_samples: int) -> Null:
    if null not in get_args(Null):
        raise InputError(f"null is {null!r}; 'uniform', 'fan_in' and 'configuration' are allowed")
    if num_samples < (null == "configuration"):
        raise InputError(
            f"num_samples is {num_samples}; 0 or more is allowed, and for 'configuration' at least 1"
        )
    return cast(Null, null)


def _ratio(observed: float, expected: float) -> float:
    return float(observed / expected) if expected > 0 else float("nan")


def _z(observed: float, draws: np.ndarray) -> float:
    sd = draws.std(ddof=1) if len(draws) > 1 else 0.0
    return float((observed - draws.mean()) / sd) if sd > 0 else float("nan")


def _interval(draws: np.ndarray, expected: float) -> tuple[float, float]:
    if len(draws) < 2 or not expected > 0:
        return float("nan"), float("nan")
    low, high = np.quantile(draws / expected, [0.025, 0.975])
    return float(low), float(high)
