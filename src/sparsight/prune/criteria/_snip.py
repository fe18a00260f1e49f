"""SNIP: weights whose removal changes the loss least are removed first."""

from torch import Tensor

from sparsight.prune.criteria._gradients import gradients, loss_before_training
from sparsight.prune.criteria._registry import Trained, criterion


@criterion("snip")
def snip(trained: Trained) -> dict[str, Tensor]:
    """Score |w ∂L/∂w|, the connection sensitivity (Lee, Ajanthan & Torr, arXiv 1810.02340, eq. 5 and 6).

    Gradients are taken at the weights with which the level began. With ``pruning.schedule = "one_shot"``
    and ``rewind = "init"`` this is the paper's single pruning of the initialisation; with ``"iterative"``
    it is iterative SNIP (de Jorge et al., arXiv 2006.09081). The paper divides scores by their sum over
    all weights, which does not change their order.
    """
    parameters, loss = loss_before_training(trained)
    slopes = gradients(loss, parameters)
    return {name: (value * slopes[name]).abs().detach() for name, value in parameters.items()}
