"""The neural tangent kernel of a chain, in closed form for the weights that a mask keeps."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked, described
from sparsight.errors import InputError
from sparsight.measure._chain import DERIVATIVES, Chain, check_inputs, layer_states


@checked(finite=("inputs",))
def tangent_kernel(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    masks: Sequence[np.ndarray] | None = None,
    biases: bool = True,
    layer_rates: Sequence[float] | None = None,
) -> Float[np.ndarray, "n n"]:
    r"""Return the neural tangent kernel of a chain, traced over its outputs, without automatic derivatives.

    .. math::
        \Theta(x, x') = \sum_c \sum_\theta \eta_\theta\, \partial_\theta f_c(x)\, \partial_\theta f_c(x')
        = \sum_l \eta_l \sum_c \Big( \sum_{(i,j) \in m_l} b^c_i b'^c_i h_j h'_j + \sum_i b^c_i b'^c_i \Big)

    h is what layer l receives, b = ∂f_c/∂λ the derivative of logit c with respect to its pre-activations, and
    m_l the weights that are trained. The cost is n² times the number of trained weights.

    Parameters
    ----------
    chain : Chain
        The network f. Its parameters are those of the chain: BatchNorm is folded into them.
    inputs : numpy.ndarray, (n, num_inputs)
        Samples x.
    masks : sequence of numpy.ndarray of bool, (out, in), optional
        Weights of each layer that are trained. Default: all, also those that are 0.
    biases : bool
        Whether biases are trained.
    layer_rates : sequence of float, optional
        Learning rate η of each layer. Default: 1. In the NTK parametrisation it is σ_w² over the inputs of a
        unit of the layer.

    Returns
    -------
    numpy.ndarray of float64, (n, n)
        Symmetric and positive semidefinite.

    Raises
    ------
    InputError
        If inputs, masks or rates do not fit the chain; the message names them.

    Notes
    -----
    A wide ReLU network whose hidden and output layers are pruned at random at initialisation, so that a share
    α of each remains, has the kernel of the dense one times α for each pruned layer (after Yang & Wang, arXiv
    2203.14328, in the parametrisation above, without biases). With a pruned input layer it is no factor.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> chain = sparsight.Chain([np.array([[2.0, 0.0]])], [np.zeros(1)])
    >>> sparsight.tangent_kernel(chain, np.eye(2), biases=False)
    array([[1., 0.],
           [0., 1.]])
    """
    check_inputs(chain, inputs)
    kept = _checked_masks(chain, masks)
    rates = [1.0] * len(chain.weights) if layer_rates is None else list(layer_rates)
    if len(rates) != len(chain.weights) or not all(np.isfinite(each) and each >= 0 for each in rates):
        raise InputError(
            f"layer_rates are {rates}; {len(chain.weights)} finite numbers of at least 0 are needed"
        )
    received, preactivations = layer_states(chain, inputs)
    kernel = np.zeros((len(inputs), len(inputs)))
    # Derivatives of each logit with respect to the pre-activations of the layer: (out, n, classes).
    backward = np.repeat(np.eye(chain.num_outputs)[:, None], len(inputs), axis=1)
    for layer in reversed(range(len(chain.weights))):
        if rates[layer]:
            found = _weights_kernel(backward, received[layer], kept[layer])
            if biases:
                found += _products(backward)
            kernel += rates[layer] * found
        if layer:
            slope = DERIVATIVES[chain.activations[layer - 1]](preactivations[layer - 1])
            backward = np.tensordot(chain.weights[layer].T, backward, axes=1) * slope.T[:, :, None]
    return np.asarray((kernel + kernel.T) / 2)


def _products(backward: np.ndarray) -> np.ndarray:
    """Return Σ b b' over units and logits: (n, n)."""
    num_units, num_samples, num_outputs = backward.shape
    by_sample = backward.transpose(1, 0, 2).reshape(num_samples, num_units * num_outputs)
    return np.asarray(by_sample @ by_sample.T)


def _weights_kernel(backward: np.ndarray, received: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return Σ b b' h h' over the kept weights of a layer and over logits: (n, n)."""
    everything = received @ received.T
    if kept.all():
        return np.asarray(_products(backward) * everything)
    found: np.ndarray = np.zeros(everything.shape)
    for of_unit, row in zip(backward, kept, strict=True):
        if not row.any() or not of_unit.any():
            continue
        # The smaller part of the inputs is multiplied out.
        is_few = 2 * row.sum() <= len(row)
        part = received[:, row if is_few else ~row]
        products = part @ part.T
        found += (of_unit @ of_unit.T) * (products if is_few else everything - products)
    return found


def _checked_masks(chain: Chain, masks: Sequence[np.ndarray] | None) -> Sequence[np.ndarray]:
    if masks is None:
        return [np.ones(weight.shape, dtype=bool) for weight in chain.weights]
    if len(masks) != len(chain.weights):
        raise InputError(f"masks are {len(masks)}; one for each of the {len(chain.weights)} layers is needed")
    for layer, (mask, weight) in enumerate(zip(masks, chain.weights, strict=True)):
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != weight.shape:
            raise InputError(
                f"masks[{layer}] is {described(mask)}; an array of bool of shape {weight.shape} is needed"
            )
    return masks
