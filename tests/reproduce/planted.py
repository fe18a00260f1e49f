"""Synthetic results of studies with a known truth, holding what the claims read; nothing is trained."""

import numpy as np
import xarray as xr

NUM_LEVELS, NUM_UNITS = 6, 40


def planted(
    means: dict[tuple[str, str], float | np.ndarray],
    *,
    noise: float = 0.05,
    num_replicates: int = 10,
    num_levels: int = NUM_LEVELS,
    seed: int = 0,
    per_unit: dict[tuple[str, str], np.ndarray] | None = None,
) -> xr.Dataset:
    """Return a dataset as from `results_of`, with given means of (quantity, condition) at every level.

    A mean is one number for all levels, or one per level. Replicates differ by Gaussian noise. Arrays of
    `per_unit` are (replicate, level, unit).
    """
    stream = np.random.default_rng(seed)
    per_unit = per_unit or {}
    quantities = sorted({quantity for quantity, _ in means})
    conditions = sorted({condition for _, condition in (*means, *per_unit)})
    shape = (len(conditions), num_replicates, num_levels)
    variables = {}
    for quantity in quantities:
        values = np.full(shape, np.nan)
        for place, condition in enumerate(conditions):
            if (quantity, condition) in means:
                centre = np.broadcast_to(means[quantity, condition], num_levels)
                values[place] = centre + noise * stream.normal(size=shape[1:])
        variables[quantity] = (("condition", "replicate", "level"), values)
    for quantity in sorted({quantity for quantity, _ in per_unit}):
        num_units = next(array.shape[-1] for (name, _), array in per_unit.items() if name == quantity)
        values = np.full((*shape, num_units), np.nan)
        for place, condition in enumerate(conditions):
            if (quantity, condition) in per_unit:
                values[place] = per_unit[quantity, condition]
        variables[quantity] = (("condition", "replicate", "level", "unit"), values)
    density = np.broadcast_to(0.6 ** np.arange(num_levels), shape)
    variables["density"] = (("condition", "replicate", "level"), density)
    if "test_accuracy" not in variables:
        variables["test_accuracy"] = (("condition", "replicate", "level"), np.full(shape, 0.9))
    coordinates = {
        "condition": conditions,
        "replicate": range(num_replicates),
        "level": range(num_levels),
    }
    return xr.Dataset(variables, coords=coordinates)
