"""Quantities of receptive fields for the instrument ``locality``: concentration, position and fan-in."""

import numpy as np

from sparsight.geometry import Geometry
from sparsight.instruments._quantity import Quantity
from sparsight.measure import (
    entropy,
    envelope,
    fan_in_histogram,
    locality_by_fan_in,
    mean_of_defined,
    participation_ratio,
)

_NUM_FAN_IN_CLASSES = 4


def concentration(weight: np.ndarray) -> dict[str, Quantity]:
    """Return participation ratio and entropy of each unit's squared weights, (out, in), and their means."""
    quantities = {}
    how_many = "(Σw²)²/Σw⁴ of the unit's weights: how many carry it (k equal weights: k)"
    spread = "−Σ p ln p, p = w²/Σw², of the unit's weights (k equal weights: ln k)"
    for name, values, meaning, unit in (
        ("participation_ratio", participation_ratio(weight), how_many, "1"),
        ("entropy", entropy(weight), spread, "nat"),
    ):
        quantities[f"{name}_per_unit"] = Quantity(values, ("unit",), meaning, unit)
        quantities[name] = Quantity(mean_of_defined(values), (), f"mean over units of {meaning}", unit)
    return quantities


def places(mask: np.ndarray, geometry: Geometry) -> dict[str, Quantity]:
    """Return centre, covariance ellipse and radius of each unit's kept inputs."""
    found = envelope(mask, geometry)
    centre = "mean position of a unit's inputs (y, x; on a torus the circular mean)"
    covariance = "covariance of the positions of a unit's inputs around their centre"
    radius = "root mean squared distance of a unit's inputs from their centre"
    axes = ("unit", "axis", "other_axis")
    return {
        "centre_per_unit": Quantity(found.centre, ("unit", "axis"), centre, "pixel"),
        "covariance_per_unit": Quantity(found.covariance, axes, covariance, "pixel²"),
        "radius_per_unit": Quantity(found.radius_of_gyration, ("unit",), radius, "pixel"),
    }


def fan_in_spread(mask: np.ndarray) -> dict[str, Quantity]:
    """Return the histogram of fan-in, and its expectation if inputs were kept independently."""
    # Bins up to a full row, whatever the fan-in is: arrays of all levels then have one shape.
    counts, expected = fan_in_histogram(mask, num_bins=mask.shape[1] + 1)
    found = "units that keep 0, 1, … inputs"
    chance = f"{found}, if each is kept independently: out · Binomial(in, density)"
    return {
        "fan_in_histogram": Quantity(counts.astype(np.float64), ("fan_in",), found, "unit"),
        "fan_in_histogram_binomial": Quantity(expected, ("fan_in",), chance, "unit"),
    }


def by_fan_in(mask: np.ndarray, geometry: Geometry) -> dict[str, Quantity]:
    """Return S(d) and its ``fan_in`` expectation for each quarter of the units, from few inputs to many.

    There are always `_NUM_FAN_IN_CLASSES` quarters, so that arrays of different levels have one shape; a
    quarter without units is NaN.
    """
    classes = locality_by_fan_in(mask, geometry, num_classes=_NUM_FAN_IN_CLASSES)
    grid = geometry.distances().shape
    quarter = "of a quarter of the units that have two inputs or more, sorted by fan-in"
    null = "under the null that keeps each unit's number of inputs"
    dims = ("fan_in_class", *(("dx",) if len(grid) == 1 else ("dy", "dx")))

    def stacked(values: list[np.ndarray], shape: tuple[int, ...] = ()) -> np.ndarray:
        table = np.full((_NUM_FAN_IN_CLASSES, *shape), np.nan)
        table[: len(values)] = np.array(values).reshape(len(values), *shape)
        return table

    quantities = {}
    for name, meaning in (("lowest", "smallest"), ("highest", "largest")):
        values = stacked([np.array(getattr(each, name)) for each in classes])
        words = f"{meaning} fan-in {quarter}"
        quantities[f"{name}_fan_in_by_fan_in"] = Quantity(values, ("fan_in_class",), words)
    for name, meaning in (("near", "|d| ≤ 1.5 pixels"), ("far", "|d| ≥ D/4")):
        values = stacked([np.array(getattr(each.locality, name)) for each in classes])
        words = f"pairs at {meaning}, same channel, over their expectation {null} (chance: 1), {quarter}"
        quantities[f"{name}_by_fan_in"] = Quantity(values, ("fan_in_class",), words)
    for kind in ("same_channel", "different_channel")[: min(geometry.channels, 2)]:
        counts = stacked([getattr(each.locality, kind) for each in classes], grid)
        expected = stacked([getattr(each.locality, f"{kind}_expected") for each in classes], grid)
        words = kind.replace("_", " ")
        quantities[f"pairs_{kind}_by_fan_in"] = Quantity(counts, dims, f"S(d), {words}, {quarter}")
        quantities[f"pairs_{kind}_by_fan_in_expected"] = Quantity(
            expected, dims, f"expectation of S(d), {words}, {null}, {quarter}"
        )
    return quantities
