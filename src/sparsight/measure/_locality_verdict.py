"""The word for a layer's receptive fields: "local" needs neighbours kept together *and* a bounded extent.

This is the one place of the margins.
"""

import math
from typing import Literal

from sparsight.measure._intervals import Interval

LocalityVerdict = Literal["local", "clustered, not local", "not local", "undecided"]

SHARE_MARGIN = 0.05
"""Attained share above which inputs count as clustered: 0 is chance, 1 the most compact fields possible."""
FAR_MARGIN = 0.9
"""Far below which fields count as bounded: 1 is chance."""
RADIUS_MARGIN = 0.95
"""Radius of gyration, over its null, below which fields count as bounded."""


def locality_verdict(
    *, attained_share: Interval, far: Interval, radius_of_gyration: Interval
) -> LocalityVerdict:
    """Return what the three numbers of locality allow to say, in one of four words.

    Neighbouring inputs kept together are not enough: a wave over the whole image has many, and so have clumps
    that are scattered over it. A receptive field is local if it is also bounded: distant inputs are kept
    together less often than by chance, or inputs are more compact.

    Parameters
    ----------
    attained_share, far, radius_of_gyration : Interval
        Over replicates; the numbers of `Locality` of these names.

    Returns
    -------
    {"local", "clustered, not local", "not local", "undecided"}
        * "local": the interval of the share is above `SHARE_MARGIN`, and that of far is below `FAR_MARGIN` or
          that of the radius below `RADIUS_MARGIN`.
        * "clustered, not local": the share is above its margin, far and the radius are not below theirs.
        * "not local": the share is not above its margin, or neither far nor the radius is below its own.
        * "undecided": an interval that matters contains its margin, or is missing.

        A number "is not below" its margin if its interval lies wholly at or above it. Where one of far and
        the radius is undefined (no replicate has it), the other decides.
    """
    bounded = far.high < FAR_MARGIN or radius_of_gyration.high < RADIUS_MARGIN
    limits = [
        (interval, margin)
        for interval, margin in ((far, FAR_MARGIN), (radius_of_gyration, RADIUS_MARGIN))
        if interval.num_replicates > 0 and not math.isnan(interval.mean)
    ]
    unbounded = bool(limits) and all(interval.low >= margin for interval, margin in limits)
    if attained_share.low > SHARE_MARGIN:
        if bounded:
            return "local"
        return "clustered, not local" if unbounded else "undecided"
    return "not local" if unbounded or attained_share.high <= SHARE_MARGIN else "undecided"
