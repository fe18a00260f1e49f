"""Movement pruning: weights that training pulled towards 0 go first."""

from torch import Tensor

from sparsight.prune.criteria._registry import Trained, criterion


@criterion("movement")
def movement(trained: Trained) -> dict[str, Tensor]:
    """Score −∫ w ∂L/∂w dt over the level's training: how far a weight moved away from 0.

    Sanh, Wolf & Rush (arXiv 2005.07683, eq. 8) sum −η w_t ∂L/∂w_t over the steps. Under gradient flow,
    ẇ = −∂L/∂w, that sum is ∫ w ẇ dt = ½ (w_end² − w_start²), which is what is computed here from the two
    ends of the training; it also counts what momentum, weight decay and adaptive rates did to w, which the
    sum leaves out. Not the paper's fine-tuning with a straight-through estimator: masks change between
    levels only.
    """
    return {
        name: (parameter.square() - trained.initial[name].to(parameter.device).square()) / 2
        for name, parameter in trained.parameters().items()
    }
