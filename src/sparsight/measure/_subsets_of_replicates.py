"""Means over all subsets of replicates, which share members and so are not independent of each other."""

import itertools
import math

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError

_MOST_SUBSETS = 252  # all fives of ten


def subset_size(num_replicates: int) -> int:
    """Return the size of the ensembles that so many replicates form if nobody chooses another.

    The largest size up to half of the replicates of which there are at most 252 subsets, but at least 2.
    """
    sizes = range(2, num_replicates // 2 + 1)
    return max((size for size in sizes if math.comb(num_replicates, size) <= _MOST_SUBSETS), default=2)


def subsets_of(num_replicates: int, size: int) -> list[tuple[int, ...]]:
    """Return every subset of that size, in the order of `itertools.combinations`."""
    return list(itertools.combinations(range(num_replicates), size))


@checked()
def subset_pseudovalues(values: Float[np.ndarray, " subset"], num_replicates: int, size: int) -> np.ndarray:
    """Return one number per replicate whose mean is the mean over all subsets of replicates.

    The mean θ over the subsets of size k is unbiased for an ensemble of k fresh replicates. The jackknife's
    pseudovalue of replicate r is n θ − (n − 1) θ₋ᵣ, with θ₋ᵣ the mean over the subsets without r. Student's
    interval over pseudovalues is the jackknife's interval for θ (Arvesen, Annals of Mathematical Statistics
    40:2076, 1969). With k = 2 they are `pair_pseudovalues`, with k = 1 the values themselves.

    Parameters
    ----------
    values : numpy.ndarray of float, (subset,)
        Value of each subset, in the order of `subsets_of`.
    num_replicates, size : int
        n, and k from 1 to n.

    Returns
    -------
    numpy.ndarray of float64, (replicate,)
        NaN for all with k = n, where leaving one out leaves no subset.

    Raises
    ------
    InputError
        If `values` do not have one number for each subset.
    """
    if not 1 <= size <= num_replicates:
        raise InputError(f"size is {size}; 1 to the number of replicates, {num_replicates}, is allowed")
    subsets = subsets_of(num_replicates, size)
    if len(values) != len(subsets):
        raise InputError(
            f"values are {len(values)}; {num_replicates} replicates have {len(subsets)} subsets of {size}"
        )
    if size == num_replicates:
        return np.full(num_replicates, np.nan)
    holds = np.zeros((len(subsets), num_replicates), bool)
    np.put_along_axis(holds, np.array(subsets), True, axis=1)
    numbers = values.astype(np.float64)
    without = (numbers @ ~holds) / (~holds).sum(axis=0)
    return np.asarray(num_replicates * numbers.mean() - (num_replicates - 1) * without)
