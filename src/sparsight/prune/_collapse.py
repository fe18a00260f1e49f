"""Layer collapse: a round of pruning that takes the last weight of a layer, or the network's inputs away."""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparsight.data import Task
from sparsight.network import FullyConnected, evaluating, is_chain
from sparsight.prune._schedule import layer_of
from sparsight.streams import torch_draws

_NUM_SAMPLES = 64
_MEND = (
    "set pruning.scope = 'layer', which prunes every layer at the same rate, name fewer layers, or stop "
    "earlier with pruning.min_density"
)


def warn_of_collapse(
    network: nn.Module, task: Task, level: int, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> None:
    """Warn if pruning after a level leaves a layer without weights, or cuts the outputs off from the inputs.

    Parameters
    ----------
    network : torch.nn.Module
        With the weights of the level. Its state is left unchanged. Nothing is said of a `FullyConnected`: a
        run stores its severed layers and connected units with every level, and ``min_connected_fraction``
        ends it.
    before, after : mapping of str to Tensor of bool
        Masks of the level and of the next.

    Warns
    -----
    UserWarning
        If a weight had kept entries before and has none after; or, in a network that is not a chain of
        linear layers, if its outputs on 64 test samples depend on their inputs before and not after.
    """
    if isinstance(network, FullyConnected):
        return
    lost = [
        layer_of(name)
        for name, mask in after.items()
        if name.endswith("weight") and before[name].any() and not mask.any()
    ]
    if lost:
        layers = f"layer {lost[0]!r}" if len(lost) == 1 else f"layers {', '.join(map(repr, lost))}"
        warnings.warn(
            f"layer collapse: pruning after level {level} leaves no weight in {layers}; {_MEND}",
            UserWarning,
            stacklevel=2,
        )
    # In a chain the masks alone tell, and `connectivity` counts the units that are left.
    elif not is_chain(network) and _depends(network, task, before) and not _depends(network, task, after):
        warnings.warn(
            f"layer collapse: pruning after level {level} leaves outputs that no longer depend on the "
            f"inputs; {_MEND}",
            UserWarning,
            stacklevel=2,
        )


def _depends(network: nn.Module, task: Task, masks: Mapping[str, Tensor]) -> bool:
    """Return whether the outputs change with the inputs, where weights outside the masks are 0."""
    device = next(network.parameters()).device
    inputs = task.samples("test", 0, _NUM_SAMPLES)[0].to(device).requires_grad_()
    masked = {
        name: network.get_parameter(name).detach().masked_fill(~mask.to(device), 0.0)
        for name, mask in masks.items()
    }
    with torch.enable_grad(), evaluating(network), torch_draws(device, 0, "trial"):
        outputs = functional_call(network, masked, (inputs,))
    if not outputs.requires_grad:
        return False
    # Squares: the sum of a softmax over classes is constant, whatever the inputs.
    (slopes,) = torch.autograd.grad(outputs.square().sum(), inputs, allow_unused=True, materialize_grads=True)
    return bool((slopes != 0).any())
