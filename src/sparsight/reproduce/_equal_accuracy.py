"""A statistic: a condition beside another one that is as accurate."""

import numpy as np
import pandas as pd
import xarray as xr

from sparsight.instruments import NETWORK
from sparsight.reproduce._estimate import Statistic
from sparsight.reproduce._statistics import by_level, density_of, mean_at_levels, nearest_level
from sparsight.store import at_equal_accuracy


def beyond_equal_accuracy(
    quantity: str, condition: str, reference: str, density: float, tolerance: float = 0.1
) -> Statistic:
    """Return a statistic: how far a condition is from another one that is as accurate, at one density.

    See `sparsight.store.at_equal_accuracy`. NaN as of `at_density`, and for a replicate in which no level of
    the reference is less, or none more, accurate.
    """

    def statistic(results: xr.Dataset) -> np.ndarray:
        names = (quantity, "test_accuracy")
        frame = pd.concat(_tidy(results, name, each) for each in (condition, reference) for name in names)
        gaps = at_equal_accuracy(frame, quantity, condition, reference)["by_replicate"]
        return mean_at_levels(
            np.stack(gaps.tolist(), axis=1), nearest_level(results, condition, density, tolerance)
        )

    return statistic


def _tidy(results: xr.Dataset, quantity: str, condition: str) -> pd.DataFrame:
    """Return a quantity of whole networks in the columns of `Run.frame`; NaN where there is no level."""
    values = by_level(results, quantity, condition)
    replicates, levels = np.indices(values.shape)
    columns = {
        "replicate": replicates,
        "level": levels,
        "density": density_of(results, condition),
        "value": values,
    }
    table = pd.DataFrame({name: np.asarray(column).ravel() for name, column in columns.items()})
    return table.assign(condition=condition, layer=NETWORK, quantity=quantity)
