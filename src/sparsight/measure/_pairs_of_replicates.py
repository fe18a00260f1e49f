"""Means over all pairs of replicates, whose pairs are not independent of each other."""

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError


@checked()
def pair_pseudovalues(values: Float[np.ndarray, "replicate replicate"]) -> np.ndarray:
    """Return one number per replicate whose mean is the mean over all pairs of replicates.

    Pairs that share a replicate are dependent, so an interval over pairs would be too short. The jackknife's
    pseudovalue of replicate r is n θ − (n − 1) θ₋ᵣ, with θ the mean over all pairs and θ₋ᵣ that over the
    pairs without r. Student's interval over pseudovalues is the jackknife's interval for θ (Arvesen, Annals
    of Mathematical Statistics 40:2076, 1969).

    Parameters
    ----------
    values : numpy.ndarray of float, (replicate, replicate)
        Value of each pair, symmetric. The diagonal is ignored. A replicate without any value (NaN) is left
        out.

    Returns
    -------
    numpy.ndarray of float64, (replicate,)
        NaN for a replicate that was left out, and for all of them where fewer than three remain: leaving one
        out of two leaves no pair.

    Raises
    ------
    InputError
        If the matrix is not symmetric, or pairs of replicates that have values are missing.
    """
    if not np.allclose(values, values.T, equal_nan=True):
        raise InputError("values are not symmetric; each pair of replicates has one value")
    pairs = values.astype(np.float64)
    np.fill_diagonal(pairs, np.nan)
    present = ~np.isnan(pairs).all(axis=1)
    found = np.full(len(pairs), np.nan)
    inside = pairs[np.ix_(present, present)]
    number = len(inside)
    if number < 3:
        return found
    np.fill_diagonal(inside, 0.0)
    if np.isnan(inside).any():
        raise InputError("values of some pairs are NaN; leave the replicate out, or give all its pairs")
    of_replicate, total = inside.sum(axis=1), inside.sum()
    mean = total / (number * (number - 1))
    without = (total - 2 * of_replicate) / ((number - 1) * (number - 2))
    found[present] = number * mean - (number - 1) * without
    return found
