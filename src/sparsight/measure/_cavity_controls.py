"""Controls of kept against pruned weights: selection by size alone, and selection at random."""

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from sparsight.arguments import checked
from sparsight.measure._gaussianity import as_numpy
from sparsight.measure._gaussianity_controls import shuffled_columns
from sparsight.streams import generator


@checked()
def size_shuffled(
    weight: Float[np.ndarray | Tensor, "out in"],
    mask: Bool[np.ndarray | Tensor, "out in"],
    kept: Bool[np.ndarray | Tensor, "out in"],
    varying: Bool[np.ndarray, " in"] | None = None,
    *,
    seed: int,
    draw: int = 0,
) -> tuple[Float[np.ndarray, "out in"], Bool[np.ndarray, "out in"]]:
    """Shuffle each unit's weights over its own inputs, and let the kept flags move with the weights.

    Large weights have large effects of either sign, also on inputs that have nothing to do with each other,
    so selection by size alone makes kept and pruned weights differ. After the shuffle the kept weights are
    as large as before, and each unit has the same inputs, but no weight is matched to its input. What kept
    minus pruned weights then still differ by is due to size.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``. Values under removed weights are ignored.
    mask, kept : numpy.ndarray or Tensor of bool, (out, in)
        Weights of the level, and those of them that pruning keeps.
    varying : numpy.ndarray of bool, (in,), optional
        Only weights on these inputs move, as in `shuffled_weight`; by default all.
    seed, draw : int
        The permutation is that of `shuffled_weight` with the same arguments.

    Returns
    -------
    weight : numpy.ndarray of weight's dtype, (out, in)
        Exactly 0 outside the mask.
    kept : numpy.ndarray of bool, (out, in)
        Where the kept weights have moved to; the other weights of the mask are the pruned ones.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit.
    """
    mask = as_numpy(mask)
    columns = shuffled_columns(mask, varying, seed=seed, draw=draw)
    moved = np.take_along_axis(np.where(mask, as_numpy(weight), 0), columns, axis=1)
    return moved, np.take_along_axis(mask & as_numpy(kept), columns, axis=1)


@checked()
def random_kept(
    mask: Bool[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], *, seed: int, draw: int = 0
) -> Bool[np.ndarray, "out in"]:
    """Draw a set of kept weights at random, as many in each unit as are kept: bool, (out, in).

    Two statistics of the same kept set are related by construction, for example the mean effect of the kept
    minus that of the pruned weights, and the locality of the mask that remains. Computed from these sets,
    both give the relation that selection at random has.

    Parameters
    ----------
    mask, kept : numpy.ndarray of bool, (out, in)
        Weights of the level, and those of them that pruning keeps.
    seed, draw : int
        The set is a function of both, and of the mask and the numbers kept.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit.
    """
    keys = generator(seed, "random kept", draw).random(mask.shape)
    order = np.argsort(np.where(mask, keys, 2.0), axis=1)  # weights outside the mask come last
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(mask.shape[1])[None, :], axis=1)
    drawn: np.ndarray = ranks < (mask & kept).sum(axis=1, keepdims=True)
    return drawn
