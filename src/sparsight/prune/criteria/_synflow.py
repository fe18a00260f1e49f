"""SynFlow: weights that carry the least synaptic flow go first. No data are looked at."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparsight.prune.criteria._gradients import gradients
from sparsight.prune.criteria._registry import Trained, criterion


@criterion("synflow")
def synflow(trained: Trained) -> dict[str, Tensor]:
    """Score |w| ∂R/∂|w| with R = 1ᵀ Π |W_l| 1 (Tanaka, Kunin, Yamins & Ganguli, arXiv 2006.05467, eq. 5).

    R is the sum of the outputs for an input of ones when every parameter is replaced by its absolute value
    and BatchNorm only scales and shifts; taken at the weights with which the level began. One call is one
    round: the paper's exponential schedule of 100 rounds is ``pruning.max_levels = 100`` with a rate to
    match, and a single round may cut a layer, as the paper shows. With an activation other than ReLU or
    linear the same formula holds, but the flow is not conserved.
    """
    device = next(trained.network.parameters()).device
    state = {name: value.to(device, torch.float64).abs() for name, value in trained.initial.items()}
    for name, module in trained.network.named_modules():
        if isinstance(module, nn.BatchNorm1d) and module.track_running_stats:
            state[f"{name}.running_mean"].zero_()
            state[f"{name}.running_var"].fill_(1)
    parameters = {name: state[name].requires_grad_() for name in trained.masks}
    ones = torch.ones(1, trained.task.geometry.num_inputs, dtype=torch.float64, device=device)
    flow = functional_call(trained.network, state | parameters, (ones,)).sum()
    slopes = gradients(flow, parameters)
    return {name: (value * slopes[name]).detach() for name, value in parameters.items()}
