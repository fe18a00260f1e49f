"""The loss of a level as a function of its weights before training, for criteria that need gradients."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from sparsight.prune.criteria._registry import Trained
from sparsight.train import batch_loss

_SAMPLES = 2048


def loss_before_training(trained: Trained, temperature: float = 1.0) -> tuple[dict[str, Tensor], Tensor]:
    """Return the prunable parameters that a level began with, and the loss as a function of them.

    BatchNorm normalises with the statistics of the batch, as in training: those it keeps say nothing
    about an initialisation.

    Parameters
    ----------
    trained : Trained
        The loss is over its first 2048 training samples.
    temperature : float
        What the network's outputs are divided by.

    Returns
    -------
    parameters : dict of str to Tensor
        By name; they require a gradient.
    loss : Tensor, scalar
    """
    device = next(trained.network.parameters()).device
    state = {name: value.to(device, copy=True) for name, value in trained.initial.items()}
    parameters = {name: state[name].requires_grad_() for name in trained.masks}
    inputs, labels = trained.task.samples("train", 0, _SAMPLES)
    was_training = trained.network.training
    trained.network.train()
    try:
        outputs = functional_call(trained.network, state | parameters, (inputs.to(device),))
    finally:
        trained.network.train(was_training)
    return parameters, batch_loss(outputs / temperature, labels.to(device), trained.loss)


def gradients(
    loss: Tensor, parameters: Mapping[str, Tensor], *, differentiable: bool = False
) -> dict[str, Tensor]:
    """Return ∂ loss / ∂ parameter for every parameter, by name; 0 where the loss does not depend on it."""
    found = torch.autograd.grad(
        loss,
        list(parameters.values()),
        create_graph=differentiable,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(parameters, found, strict=True))
