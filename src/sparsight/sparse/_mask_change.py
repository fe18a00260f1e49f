"""The numbers of kept weights when their mask changes: values, and what an optimizer keeps beside them."""

import torch
from torch import Tensor, nn


def moved(numbers: Tensor, old: Tensor, new: Tensor, elsewhere: Tensor | None = None) -> Tensor:
    """Return the numbers of the kept entries of a mask in the order of another one.

    Parameters
    ----------
    numbers : Tensor, (kept,)
        One for each True of `old`, in C order.
    old, new : Tensor of bool
        The masks, of one shape.
    elsewhere : Tensor, optional
        Of the shape of the masks: the numbers of entries that only `new` keeps. Default: 0.

    Returns
    -------
    Tensor, (kept,)
        One for each True of `new`.
    """
    everywhere = numbers.new_zeros(old.shape) if elsewhere is None else elsewhere.to(numbers).clone()
    everywhere[old] = numbers
    return everywhere[new]


def move_state_(optimizer: torch.optim.Optimizer, values: nn.Parameter, old: Tensor, new: Tensor) -> None:
    """Move an optimizer's state of kept weights to another mask; that of new connections begins with 0.

    `values`, (kept,), still has the weights of `old`. Entries of the state that are no numbers of single
    weights, such as Adam's count of steps, stay.
    """
    state = optimizer.state.get(values, {})
    for key, entry in state.items():
        if isinstance(entry, Tensor) and entry.shape == values.shape:
            state[key] = moved(entry, old, new)
