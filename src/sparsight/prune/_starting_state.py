"""The weights from which masks of another origin are trained."""

import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.network import linear_maps
from sparsight.prune._level import State, snapshot


def starting_state(network: nn.Module, fresh: nn.Module, weights: str) -> State | None:
    """Return the state that the kept weights of a mask start from, to be given to `sparsight.imp`.

    ============  ==================================================================================
    `weights`     value of a weight w of a linear layer or convolution
    ============  ==================================================================================
    ``rewound``   as without a mask of another origin: the result is None
    ``fresh``     that of the network `fresh`; biases as well
    ``signs``     sign(w) · |w of `fresh`|; biases stay
    ``constant``  sign(w) · σ of the layer; biases stay
    ============  ==================================================================================

    σ is the standard deviation of all initial weights of the layer, kept or not, around their mean (Zhou et
    al., arXiv 1905.01067). All layers that could be pruned change (also convolutions and the ``in_proj`` of
    attention), those that are never pruned included; everything else keeps its value.

    Parameters
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation.
    fresh : torch.nn.Module
        The same network, initialised in the same way with another seed.

    Raises
    ------
    InputError
        If the two networks have different layers, or `weights` is not a row of the table.
    """
    if weights == "rewound":
        return None
    if weights not in ("fresh", "signs", "constant"):
        raise InputError(f"weights is {weights!r}; allowed are rewound, fresh, signs, constant")
    state, drawn = snapshot(network), snapshot(fresh)
    if {name: value.shape for name, value in state.items()} != {
        name: value.shape for name, value in drawn.items()
    }:
        raise InputError("fresh differs from network in its parameters; initialise a copy of the network")
    for layer in linear_maps(network).values():
        name = layer.weight_name
        initial = state[name]
        if weights == "fresh":
            state[name] = drawn[name]
            if layer.bias is not None:
                state[layer.bias_name] = drawn[layer.bias_name]
        elif weights == "signs":
            state[name] = torch.sign(initial) * drawn[name].abs()
        else:
            state[name] = torch.sign(initial) * initial.std(correction=0)
    return state
