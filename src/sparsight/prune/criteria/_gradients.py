"""Gradients of the loss at the weights with which a level began, for the criteria that need them."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from sparsight.prune.criteria._registry import NUM_SAMPLES, Trained
from sparsight.streams import torch_draws
from sparsight.train import batch_loss


def loss_before_training(trained: Trained, temperature: float = 1.0) -> tuple[dict[str, Tensor], Tensor]:
    """Return the prunable parameters with which a level began, and the loss as a function of them.

    The parameters, by name, require a gradient. The loss is the mean over 2048 training samples (see
    `Task.representative`), with the network's outputs divided by `temperature`. BatchNorm normalises with the
    statistics of the batch, as in training: at an initialisation its running statistics do not describe the
    data yet.
    """
    device = next(trained.network.parameters()).device
    # Copies: in training mode BatchNorm moves its running statistics in place.
    state = {name: value.to(device, copy=True) for name, value in trained.initial.items()}
    parameters = {name: state[name].requires_grad_() for name in trained.masks}
    inputs, labels = trained.task.representative("train", NUM_SAMPLES, trained.seed)
    was_training = trained.network.training
    trained.network.train()
    try:
        with torch_draws(device, trained.seed, "gradients of a criterion", trained.level):
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
