"""Ensembles of the replicates of a study, as quantities that statistics can read."""

import numpy as np
import xarray as xr

from sparsight.run import TICKETS, ensembles
from sparsight.store import Run


def with_ensembles(results: xr.Dataset, run: Run) -> xr.Dataset:
    """Return the results of a study with what its replicates are as ensembles, at every level.

    ``ensemble.accuracy``, ``ensemble.marginal_nll``, ``ensemble.joint_nll``, ``ensemble.joint_gain``,
    ``ensemble.joint_beyond_matched``, ``ensemble.ece`` and ``ensemble.disagreement`` are the pseudovalues of
    the tickets' in `sparsight.run.ensembles`, whose mean over replicates is the mean over all ensembles. They
    are NaN for a replicate that failed, and for all with two replicates, which are only one ensemble.
    """
    table = ensembles(run)
    shape = tuple(results.sizes[dim] for dim in ("condition", "replicate", "level"))
    names = list(map(str, results.condition.values))
    found: dict[str, np.ndarray] = {}
    for row in table[table["ensemble"] == TICKETS].to_dict("records"):
        values = found.setdefault(f"ensemble.{row['quantity']}", np.full(shape, np.nan))
        values[names.index(row["condition"]), list(row["replicates"]), row["level"]] = row["by_replicate"]
    dims = ("condition", "replicate", "level")
    return results.assign({name: (dims, values) for name, values in found.items()})
