"""BatchNorm on tiles, compiled; see `sparsight.sparse.compilation`."""

import numpy as np

from sparsight.sparse.compilation import compiled

Array = np.ndarray


@compiled
def batch_norm(
    first: int,
    last: int,
    inputs: Array,
    num_samples: int,
    gamma: Array,
    beta: Array,
    eps: float,
    is_rectified: bool,
    outputs: Array,
    mean: Array,
    variance: Array,
) -> None:
    """Standardise every feature over the batch, scale, shift, and rectify if asked.

    ``outputs = gamma · (inputs − mean) / √(variance + eps) + beta``, or its positive part; 0 in columns
    that belong to no sample.

    Parameters
    ----------
    first, last : int
        Features.
    inputs, outputs : ndarray, (tiles, features, width)
    num_samples : int
    gamma, beta, mean, variance : ndarray, (features,)
        The last two are filled; the variance is the biased one.
    eps : float
    is_rectified : bool
    """
    num_tiles, _, width = inputs.shape
    kind = inputs.dtype.type
    for k in range(first, last):
        total = 0.0
        for tile in range(num_tiles):
            part = 0.0  # float64: a unit without inputs has exactly its constant for mean, so ReLU sees β
            for n in range(min(width, num_samples - tile * width)):
                part += inputs[tile, k, n]
            total += part
        centre = kind(total / num_samples)
        total = 0.0
        for tile in range(num_tiles):
            part = kind(0)
            for n in range(min(width, num_samples - tile * width)):
                part += (inputs[tile, k, n] - centre) ** 2
            total += part
        mean[k] = centre
        variance[k] = total / num_samples
        scale = kind(gamma[k] / np.sqrt(total / num_samples + eps))
        shift = kind(beta[k])
        for tile in range(num_tiles):
            count = min(width, num_samples - tile * width)
            for n in range(count):
                value = (inputs[tile, k, n] - centre) * scale + shift
                # a NaN passes: a loss that diverged must be seen
                outputs[tile, k, n] = kind(0) if is_rectified and value < 0 else value
            for n in range(count, width):
                outputs[tile, k, n] = 0


@compiled
def batch_norm_gradient(
    first: int,
    last: int,
    inputs: Array,
    outputs: Array,
    output_gradient: Array,
    num_samples: int,
    gamma: Array,
    eps: float,
    is_rectified: bool,
    mean: Array,
    variance: Array,
    input_gradient: Array,
    gamma_gradient: Array,
    beta_gradient: Array,
) -> None:
    """Fill the three gradients of `batch_norm`.

    With g the output gradient (0 where rectified away) and x̂ the standardised input: ``beta_gradient = Σ g``,
    ``gamma_gradient = Σ g x̂`` and ``input_gradient = gamma / √(variance + eps) · (g − Σg/n − x̂ Σ(g x̂)/n)``.

    Parameters
    ----------
    first, last, inputs, num_samples, gamma, eps, is_rectified
        As in `batch_norm`.
    outputs, mean, variance : ndarray
        What it filled.
    output_gradient, input_gradient : ndarray, (tiles, features, width)
    gamma_gradient, beta_gradient : ndarray, (features,)
    """
    num_tiles, _, width = inputs.shape
    kind = inputs.dtype.type
    for k in range(first, last):
        centre = kind(mean[k])
        inverse = kind(1 / np.sqrt(variance[k] + eps))
        beta_sum, gamma_sum = 0.0, 0.0
        for tile in range(num_tiles):
            beta_part, gamma_part = kind(0), kind(0)
            for n in range(min(width, num_samples - tile * width)):
                g = output_gradient[tile, k, n]
                if is_rectified and not outputs[tile, k, n] > 0:
                    g = kind(0)
                beta_part += g
                gamma_part += g * (inputs[tile, k, n] - centre)
            beta_sum += beta_part
            gamma_sum += gamma_part
        gamma_sum *= inverse
        beta_gradient[k] = beta_sum
        gamma_gradient[k] = gamma_sum
        scale = kind(gamma[k] * inverse)
        offset = kind(beta_sum / num_samples)
        slope = kind(gamma_sum / num_samples * inverse)
        for tile in range(num_tiles):
            count = min(width, num_samples - tile * width)
            for n in range(count):
                g = output_gradient[tile, k, n]
                if is_rectified and not outputs[tile, k, n] > 0:
                    g = kind(0)
                input_gradient[tile, k, n] = scale * (g - offset - slope * (inputs[tile, k, n] - centre))
            for n in range(count, width):
                input_gradient[tile, k, n] = 0
