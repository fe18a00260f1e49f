"""Movement pruning: weights that training pulled towards 0 are removed first."""

from torch import Tensor

from sparsight.prune.criteria._registry import Trained, criterion


@criterion("movement")
def movement(trained: Trained) -> dict[str, Tensor]:
    """Score −∫ w ∂L/∂w dt over the level's training: how far a weight moved away from 0.

    Sanh, Wolf & Rush (arXiv 2005.07683, eq. 8) sum −η w_t ∂L/∂w_t over the steps. Under gradient flow,
    ẇ = −∂L/∂w, that sum is ∫ w ẇ dt = ½ (w_end² − w_start²), which is computed here from the weights at
    both ends of training. Unlike the sum, it includes the effect of momentum, weight decay and adaptive
    rates on w. The paper fine-tunes with a straight-through estimator; here masks change only between
    levels.
    """
    return {
        name: (parameter.square() - trained.initial[name].to(parameter.device).square()) / 2
        for name, parameter in trained.parameters().items()
    }
