"""Locality of single units: near, far, attained share and radius, each relative to the unit's own fan-in."""

from dataclasses import dataclass

import numpy as np

from sparsight.geometry import Geometry
from sparsight.measure._expected_locality import ratio
from sparsight.measure._most_near_pairs import most_near_pairs
from sparsight.measure._pair_counts import (
    available_pairs,
    far_displacements,
    mean_squared_displacement,
    near_displacements,
    unit_pair_sums,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitLocality:
    """Locality of every unit, (out,) each, and the ceiling of `near` of the layer; see `Locality`."""

    near: np.ndarray
    far: np.ndarray
    attained_share: np.ndarray
    radius_of_gyration: np.ndarray
    near_ceiling: float


def unit_locality(weights: np.ndarray, geometry: Geometry) -> UnitLocality:
    """Return the locality of each unit of a mask or map, (out, in), against its own ``fan_in`` null."""
    is_near, is_far = near_displacements(geometry), far_displacements(geometry)
    # One pass over the units for all three: their transforms cost most.
    sums = unit_pair_sums(weights, geometry, np.stack([is_near, is_far, geometry.distances() ** 2]))
    near, far, squared = np.rint(sums) if weights.dtype == np.bool_ else sums
    fan_in = (weights > 0).sum(axis=1)
    products = weights.sum(axis=1, dtype=np.float64) ** 2 - np.square(weights, dtype=np.float64).sum(axis=1)
    # E[w_i w_j] of two given inputs, as in `expected_products`, of each unit
    share = products / max(weights.shape[1] * (weights.shape[1] - 1), 1)
    share[fan_in < 2] = 0  # no pairs; rounding may leave some
    available = available_pairs(geometry)[0]
    near_expected, far_expected = (available[where].sum() * share for where in (is_near, is_far))
    attained, ceiling = np.full(len(weights), np.nan), np.nan
    if weights.dtype == np.bool_:
        most = most_near_pairs(fan_in, geometry)
        # A unit that keeps all inputs can have no other number of pairs: what is left there is rounding.
        room = np.where(most - near_expected > 1e-9 * most, most - near_expected, 0.0)
        attained = ratio(near - near_expected, room)
        attained[fan_in < 2] = np.nan
        expected = float(near_expected.sum())
        ceiling = float(most.sum()) / expected if expected > 0 else np.nan
    return UnitLocality(
        near=ratio(near, near_expected),
        far=ratio(far, far_expected),
        attained_share=attained,
        radius_of_gyration=_radii(weights, squared, geometry),
        near_ceiling=ceiling,
    )


def _radii(weights: np.ndarray, squared: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return √(`squared` / Σ S^sc) of each unit over that of all pairs; NaN for a unit without pairs."""
    fields = weights.reshape(len(weights), geometry.channels, geometry.num_pixels).astype(np.float64)
    pairs = (fields.sum(axis=2) ** 2 - (fields**2).sum(axis=2)).sum(axis=1)
    pairs[((fields > 0).sum(axis=2) < 2).all(axis=1)] = 0  # none; rounding may leave some
    of_all = mean_squared_displacement(available_pairs(geometry)[0], geometry)
    mean = ratio(np.maximum(squared, 0.0), pairs)
    return np.asarray(np.sqrt(mean / of_all if of_all > 0 else np.full(len(weights), np.nan)))
