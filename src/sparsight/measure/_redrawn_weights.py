"""Whether a masked architecture is a Gaussian process: kurtosis over redraws of Gaussian weights."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from sparsight.arguments import checked, described
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS
from sparsight.streams import generator


@checked(finite=("inputs",))
def mask_kurtosis(mask: Bool[np.ndarray, "out in"], inputs: Float[np.ndarray, "n in"]) -> float:
    """Return the excess kurtosis of pre-activations over units if kept weights are independent Gaussians.

    Unit i has the variance v_i = Σ_j m_ij h_j² then, and units together are a mixture of Gaussians of unequal
    scale: κ = 3 Var(v) / mean(v)², here the mean over samples. 0 if all units read inputs of equal size.

    Parameters
    ----------
    inputs : numpy.ndarray, (n, in)
        h of each sample.

    Returns
    -------
    float
        NaN if no unit reads an input that is not 0, or there is no unit.
    """
    if not len(mask):
        return float("nan")
    variances = (inputs.astype(np.float64) ** 2) @ mask.T
    mean = variances.mean(axis=1)
    kappa = 3 * variances.var(axis=1)[mean > 0] / mean[mean > 0] ** 2
    return float(kappa.mean()) if len(kappa) else float("nan")


@checked(finite=("inputs",))
def bernoulli_mask_kurtosis(density: float, inputs: Float[np.ndarray, "n in"]) -> float:
    """Return `mask_kurtosis` of a mask whose weights are kept independently: 3 (1 − α)/α · Σ h⁴ / (Σ h²)².

    Parameters
    ----------
    density : float
        α, above 0.

    Raises
    ------
    InputError
        If the density is out of range.
    """
    if not 0 < density <= 1:
        raise InputError(f"density is {density}; above 0 and at most 1 is allowed")
    squares = inputs.astype(np.float64) ** 2
    total = squares.sum(axis=1)
    shares = (squares**2).sum(axis=1)[total > 0] / total[total > 0] ** 2
    return float(3 * (1 - density) / density * shares.mean()) if len(shares) else float("nan")


@checked(finite=("inputs",))
def gp_kurtosis(
    masks: Sequence[np.ndarray],
    inputs: Float[np.ndarray, "n in"],
    *,
    activation: str = "relu",
    weight_variances: Sequence[float] | None = None,
    bias_variances: Sequence[float] | None = None,
    num_draws: int = 2000,
    seed: int = 0,
) -> float:
    """Return the excess kurtosis of outputs over redraws of independent Gaussian weights under fixed masks.

    A Gaussian process has 0. Weights are not drawn one by one: given what a layer receives, its
    pre-activations for one sample are independent Gaussians of variance s² Σ_j m_ij h_j² + s_b². These are
    drawn.

    Parameters
    ----------
    masks : sequence of numpy.ndarray of bool, (out, in)
        One for each layer, from the input to the outputs.
    inputs : numpy.ndarray, (n, in)
        Samples; each has its own draws.
    activation : str
        That of all hidden layers.
    weight_variances, bias_variances : sequence of float, optional
        Variance s² of a kept weight, and s_b² of a bias, for each layer. Default: 2 over the mean fan-in; 0.
    num_draws : int
        Redraws for each sample; at least 2.
    seed : int
        Draws come from the stream ``(seed, "redrawn weights", layer)``.

    Returns
    -------
    float
        Mean over samples and outputs that vary; NaN if none does.

    Raises
    ------
    InputError
        If masks do not fit together or the inputs, or another argument is out of range.
    """
    _check_masks(masks, inputs.shape[1])
    if activation not in ACTIVATIONS:
        raise InputError(f"activation is {activation!r}; allowed are {', '.join(ACTIVATIONS)}")
    if num_draws < 2:
        raise InputError(f"num_draws is {num_draws}; at least 2 are needed")
    of_weights: Sequence[float] = weight_variances or [
        2 / max(float(mask.sum(axis=1).mean()), 1.0) for mask in masks
    ]
    of_biases: Sequence[float] = bias_variances or [0.0] * len(masks)
    for name, values in (("weight_variances", of_weights), ("bias_variances", of_biases)):
        if len(values) != len(masks) or not all(np.isfinite(each) and each >= 0 for each in values):
            raise InputError(
                f"{name} are {list(values)}; {len(masks)} finite numbers of at least 0 are needed"
            )
    received = inputs.astype(np.float64)[:, None]  # samples × draws × units; one draw of the inputs
    for layer, mask in enumerate(masks):
        variances = of_weights[layer] * (received**2 @ mask.T.astype(np.float64)) + of_biases[layer]
        stream = generator(seed, "redrawn weights", layer)
        drawn = stream.normal(size=(len(inputs), num_draws, len(mask)))
        preactivations = np.sqrt(variances) * drawn
        received = ACTIVATIONS[activation](preactivations)
    return _mean_kurtosis(preactivations.transpose(0, 2, 1).reshape(-1, num_draws))


def _mean_kurtosis(values: np.ndarray) -> float:
    """Return the mean excess kurtosis of the rows that vary; the mean of each row is known to be 0."""
    squares = (values**2).mean(axis=1)
    varies = squares > 0
    kappa = (values[varies] ** 4).mean(axis=1) / squares[varies] ** 2 - 3
    return float(kappa.mean()) if varies.any() else float("nan")


def _check_masks(masks: Sequence[np.ndarray], num_inputs: int) -> None:
    if not len(masks):
        raise InputError("masks are empty; one for each layer is needed")
    width = num_inputs
    for layer, mask in enumerate(masks):
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.ndim != 2 or mask.shape[1] != width:
            raise InputError(
                f"masks[{layer}] is {described(mask)}; an array of bool with {width} columns is needed"
            )
        width = len(mask)
