"""Pruning by the correlation of a layer's inputs with the labels: screening, without looking at weights."""

import numpy as np
from torch import Tensor

from sparsight.prune.criteria._combinators import highest, of_layers
from sparsight.prune.criteria._registry import Trained, criterion

_LEAST_SD = 64 * np.finfo(np.float64).eps  # times the root mean square: below it an input is constant


@criterion("correlation")
def correlation(trained: Trained) -> dict[str, Tensor]:
    r"""Score a weight by how strongly its input correlates with the labels: :math:`R_i`, for every unit.

    R is the multiple correlation of input i with the indicator variables of the classes, the root of the
    share of its variance that lies between them,

    .. math:: R_i^2 = \sum_c \tfrac{n_c}{n} (\bar h_{ic} - \bar h_i)^2 / \operatorname{Var} h_i,

    over 2048 training samples; for two classes this is |correlation|. All units of a layer keep the same
    inputs, up to the order of equal scores: a marginal screening, which pruning by size has to beat. Biases
    score 0.
    """
    return highest(of_layers(_multiple_correlation))(trained)


def _multiple_correlation(
    weight: Tensor, inputs: Tensor, labels: Tensor, _mask: Tensor, num_classes: int
) -> np.ndarray:
    """Return R of every input in every row; 0 where an input is constant."""
    values = inputs.double().cpu().numpy()
    deviations = values - values.mean(axis=0)
    members = np.eye(num_classes)[labels.cpu().numpy()]
    counts = members.sum(axis=0)
    means = members.T @ deviations / np.maximum(counts, 1)[:, None]
    between = counts @ means**2 / len(values)
    variance = (deviations**2).mean(axis=0)
    varies = variance > _LEAST_SD**2 * (values**2).mean(axis=0)
    squared = np.divide(between, variance, where=varies, out=np.zeros_like(variance))
    every_unit: np.ndarray = np.tile(np.sqrt(np.minimum(squared, 1)), (len(weight), 1))
    return every_unit
