"""GraSP: weights whose removal costs the gradient least of its norm go first."""

import torch
from torch import Tensor

from sparsight.prune.criteria._gradients import gradients, loss_before_training
from sparsight.prune.criteria._registry import Trained, criterion

_TEMPERATURE = 200.0


@criterion("grasp")
def grasp(trained: Trained) -> dict[str, Tensor]:
    """Score w ⊙ H g, the change of the gradient's norm, to first order, that removing w undoes.

    Wang, Zhang & Grosse (arXiv 2002.07376, eq. 8): with gradient g and Hessian H of the loss at the
    weights with which the level began, removing weights δ = −w changes |g|² by 2 δᵀ H g. Their score is
    −w ⊙ H g and its highest go; ours is the negative, and its lowest go. Outputs are divided by 200, as in
    the paper's experiments. With ``one_shot`` and ``rewind = "init"`` this is the paper's pruning.
    """
    parameters, loss = loss_before_training(trained, _TEMPERATURE)
    slopes = gradients(loss, parameters, differentiable=True)
    half_norm: Tensor = torch.stack([slope.square().sum() for slope in slopes.values()]).sum() / 2
    curvature = gradients(half_norm, parameters)  # H g is the gradient of |g|²/2
    return {name: (value * curvature[name]).detach() for name, value in parameters.items()}
