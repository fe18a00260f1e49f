"""GraSP: weights whose removal reduces the norm of the gradient least are removed first."""

import torch
from torch import Tensor

from sparsight.prune.criteria._gradients import gradients, loss_before_training
from sparsight.prune.criteria._registry import Trained, criterion

_TEMPERATURE = 200.0
"""Divides the network's outputs, as in the paper's experiments."""


@criterion("grasp")
def grasp(trained: Trained) -> dict[str, Tensor]:
    """Score w ⊙ H g: half of what removing w takes from the squared norm of the gradient, to first order.

    Wang, Zhang & Grosse (arXiv 2002.07376, eq. 8): with gradient g and Hessian H of the loss at the
    weights with which the level began, removing weights, δ = −w, changes |g|² by 2 δᵀ H g. Their score is
    −w ⊙ H g and they remove the highest; ours is the negative, and we remove the lowest. Outputs are
    divided by 200, as in the paper's experiments. With ``pruning.schedule = "one_shot"`` and
    ``rewind = "init"`` this is the paper's pruning.
    """
    parameters, loss = loss_before_training(trained, _TEMPERATURE)
    slopes = gradients(loss, parameters, differentiable=True)
    half_norm: Tensor = torch.stack([slope.square().sum() for slope in slopes.values()]).sum() / 2
    curvature = gradients(half_norm, parameters)  # H g is the gradient of |g|²/2
    return {name: (value * curvature[name]).detach() for name, value in parameters.items()}
