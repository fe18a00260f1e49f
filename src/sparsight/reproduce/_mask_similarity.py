"""Overlaps of the masks of a study, as quantities that statistics can read."""

import numpy as np
import xarray as xr

from sparsight.measure import pair_pseudovalues
from sparsight.reproduce._localisation import FINAL_DENSITY
from sparsight.store import Run, mask_overlaps

_NULL = "configuration"


def with_mask_overlaps(results: xr.Dataset, run: Run, reference: str = "imp") -> xr.Dataset:
    """Return the results of a study with how far its masks overlap beyond random ones of the same degrees.

    They are of the first layer, at the level whose density is nearest to the final one, and NaN at all
    others:

    ``mask_overlap.seeds``, ``mask_overlap.seeds_matched``
        Excess overlap between two seeds of a condition, with units as they stand or matched: the
        pseudovalues of `sparsight.measure.pair_pseudovalues`, whose mean is that over all pairs. NaN with
        fewer than three replicates.
    ``mask_overlap.with_reference``
        Excess overlap of a condition's mask with that of the condition `reference` of the same seed, units
        as they stand.
    """
    density = results.density.mean(["condition", "replicate"]).to_numpy()
    level = int(np.nanargmin(np.abs(np.log(density / FINAL_DENSITY))))
    overlaps = mask_overlaps(run, level=level)
    overlaps = overlaps[(overlaps["layer"] == overlaps["layer"].iloc[0]) & (overlaps["null"] == _NULL)]
    shape = tuple(results.sizes[dim] for dim in ("condition", "replicate", "level"))
    found = {name: np.full(shape, np.nan) for name in ("seeds", "seeds_matched", "with_reference")}
    for place, condition in enumerate(map(str, results.condition.values)):
        own = overlaps[(overlaps["between"] == "seeds") & (overlaps["condition"] == condition)]
        for name, matched in (("seeds", False), ("seeds_matched", True)):
            pairs = np.full((shape[1], shape[1]), np.nan)
            for row in own[own["matched"] == matched].itertuples():
                pairs[row.replicate, row.other_replicate] = row.excess
                pairs[row.other_replicate, row.replicate] = row.excess
            found[name][place, :, level] = pair_pseudovalues(pairs)
        beside = overlaps[(overlaps["between"] == "conditions") & ~overlaps["matched"]]
        for row in beside.itertuples():
            if {row.condition, row.other_condition} == {condition, reference}:
                found["with_reference"][place, row.replicate, level] = row.excess
    dims = ("condition", "replicate", "level")
    return results.assign({f"mask_overlap.{name}": (dims, values) for name, values in found.items()})
