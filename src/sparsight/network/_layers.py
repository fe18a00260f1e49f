"""The linear layers of any network, and what is known of a network from its modules."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

_BETWEEN_LAYERS = (
    nn.BatchNorm1d, nn.Dropout, nn.Flatten, nn.Identity,
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid,
)  # fmt: skip


def is_chain(network: nn.Module) -> bool:
    """Return whether a network is a chain of linear layers with nothing between them that mixes units.

    In a chain, the inputs that reach a unit are found by multiplying masks.
    """
    if type(network).forward is nn.Sequential.forward:
        return all(is_chain(child) for child in network.children())
    return isinstance(network, (nn.Linear, *_BETWEEN_LAYERS)) or getattr(network, "is_elementwise", False)


def may_draw(network: nn.Module) -> bool:
    """Return whether a network may draw random numbers in training, as dropout does."""
    dropouts = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    # Only a chain is known to call nothing but its modules; another one may call torch's functions.
    return not is_chain(network) or any(isinstance(module, dropouts) for module in network.modules())


def linear_layers(network: nn.Module) -> dict[str, nn.Linear]:
    """Return the ``torch.nn.Linear`` layers of a network by name, in the order they were defined."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode inside the block; afterwards each of its modules has its own mode."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training
