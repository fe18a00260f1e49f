"""SynFlow: weights that carry the least synaptic flow are removed first. It uses no data."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparsight.prune.criteria._gradients import gradients
from sparsight.prune.criteria._registry import Trained, criterion


@criterion("synflow")
def synflow(trained: Trained) -> dict[str, Tensor]:
    """Score |w| ∂R/∂|w| with R = 1ᵀ Π |W_l| 1 (Tanaka, Kunin, Yamins & Ganguli, arXiv 2006.05467, eq. 5).

    R is the sum of the outputs for an input of ones, with every parameter replaced by its absolute value
    and BatchNorm reduced to scale and shift, at the weights with which the level began. Each level makes
    one round. The paper's exponential schedule of 100 rounds is ``pruning.max_levels = 100`` with a rate to
    match; the paper shows that a single round may sever a layer. With an activation other than ReLU or
    linear the formula still holds, but the flow is not conserved.
    """
    device = next(trained.network.parameters()).device
    # R is a product over layers: in float32 it can overflow or vanish in deep or wide networks.
    state = {name: value.to(device, torch.float64).abs() for name, value in trained.initial.items()}
    for name, module in trained.network.named_modules():
        # The running statistics describe data; mean 0 and variance 1 leave only the learnt scale and shift.
        if isinstance(module, nn.BatchNorm1d) and module.track_running_stats:
            state[f"{name}.running_mean"].zero_()
            state[f"{name}.running_var"].fill_(1)
    parameters = {name: state[name].requires_grad_() for name in trained.masks}
    ones = torch.ones(1, trained.task.geometry.num_inputs, dtype=torch.float64, device=device)
    flow = functional_call(trained.network, state | parameters, (ones,)).sum()
    slopes = gradients(flow, parameters)
    return {name: (value * slopes[name]).detach() for name, value in parameters.items()}
