"""SynFlow: weights that carry the least synaptic flow are removed first. It uses no data."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

from sparsight.prune.criteria._gradients import gradients
from sparsight.prune.criteria._registry import Trained, criterion

_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)


@criterion("synflow")
def synflow(trained: Trained) -> dict[str, Tensor]:
    """Score |w| ∂R/∂|w| with R = 1ᵀ Π |W_l| 1 (Tanaka, Kunin, Yamins & Ganguli, arXiv 2006.05467, eq. 5).

    R is the sum of the outputs for an input of ones, with every parameter replaced by its absolute value
    and every normalisation (BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RMSNorm) reduced to scale and
    shift, at the weights with which the level began. Each level makes one round. The paper's exponential
    schedule of 100 rounds is ``pruning.max_levels = 100`` with a rate to match; the paper shows that a single
    round may sever a layer. With an activation other than ReLU or linear the formula still holds, but the
    flow is not conserved. The paper reduces BatchNorm only; a LayerNorm left as it is would subtract the
    mean of the flow, and scores would be negative.

    Warns
    -----
    UserWarning
        If some scores of kept weights are negative, as in front of a softmax: R then is not a sum over paths
        of positive flow.
    """
    device = next(trained.network.parameters()).device
    # R is a product over layers: in float32 it can overflow or vanish in deep or wide networks.
    state = {name: value.to(device) for name, value in trained.initial.items()}
    state = {
        name: value.to(torch.float64).abs() if value.is_floating_point() else value
        for name, value in state.items()
    }
    for name, module in trained.network.named_modules():
        # The running statistics describe data; mean 0 and variance 1 leave only the learnt scale and shift.
        if _has_statistics(module):
            inside = f"{name}." if name else ""
            state[f"{inside}running_mean"].zero_()
            state[f"{inside}running_var"].fill_(1)
    parameters = {name: state[name].requires_grad_() for name in trained.masks}
    ones = torch.ones(1, trained.task.geometry.num_inputs, dtype=torch.float64, device=device)
    with _without_normalisation(trained.network):
        flow = functional_call(trained.network, state | parameters, (ones,)).sum()
    slopes = gradients(flow, parameters)
    scores = {name: (value * slopes[name]).detach() for name, value in parameters.items()}
    _warn_of_negative(scores, trained)
    return scores


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _NormBase) and bool(module.track_running_stats)


@contextmanager
def _without_normalisation(network: nn.Module) -> Iterator[None]:
    """Reduce the modules that normalise by the sample they see to scale and shift inside the block."""
    hooks = [
        module.register_forward_hook(_scale_and_shift)
        for module in network.modules()
        if isinstance(module, _NORMALISATIONS) and not _has_statistics(module)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _scale_and_shift(module: nn.Module, arguments: tuple[Any, ...], _outputs: Tensor) -> Tensor:
    (inputs,) = arguments
    outputs: Tensor = inputs
    is_over_last_axes = isinstance(module, nn.LayerNorm | nn.RMSNorm)
    shift = getattr(module, "bias", None)
    for parameter, apply in ((getattr(module, "weight", None), torch.mul), (shift, torch.add)):
        if parameter is not None:
            # The other normalisations have a value for each channel, which is the second axis.
            shape = parameter.shape if is_over_last_axes else (-1, *[1] * (inputs.ndim - 2))
            outputs = apply(outputs, parameter.reshape(shape))
    return outputs


def _warn_of_negative(scores: dict[str, Tensor], trained: Trained) -> None:
    kept = torch.cat([value[trained.masks[name].to(value.device)] for name, value in scores.items()])
    num_negative = int((kept < 0).sum())
    if num_negative:
        warnings.warn(
            f"synflow: {num_negative / len(kept):.1%} of the scores of kept weights are negative, so that "
            "they are no flow along paths; use another criterion for this network",
            UserWarning,
            stacklevel=2,
        )
