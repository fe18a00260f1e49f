"""Loops over kept weights, compiled for this machine's processor when first called (and kept on disk).

All take and fill NumPy arrays of one real dtype in the layout of `sparsight.sparse.tiles`, and the rows
``first … last − 1`` only, so that threads can share the rows out. Four weights at a time, since then the
sums are loaded and stored a quarter as often. Sums run in another order than written (``reassoc``), the
same one every time; NaN and infinity behave as ever.
"""

import numba
import numpy as np

Array = np.ndarray

_compiled = numba.njit(
    fastmath={"reassoc", "contract", "nsz"}, nogil=True, cache=True, error_model="numpy", boundscheck=False
)


@_compiled
def product(
    first: int,
    last: int,
    starts: Array,
    columns: Array,
    values: Array,
    bias: Array,
    inputs: Array,
    outputs: Array,
) -> None:
    """Fill ``outputs[t, k] = bias[k] + Σ_i values[k, i] · inputs[t, i]``, in every tile t.

    Parameters
    ----------
    first, last : int
    starts, columns : ndarray of int32
        As in `sparsight.sparse.pattern.Rows`.
    values : ndarray, (kept,)
    bias : ndarray, (out,)
    inputs : ndarray, (tiles, in, width)
    outputs : ndarray, (tiles, out, width)
    """
    for tile in range(inputs.shape[0]):
        for k in range(first, last):
            for n in range(inputs.shape[2]):
                outputs[tile, k, n] = bias[k]
            j = starts[k]
            while j + 4 <= starts[k + 1]:
                i0, i1, i2, i3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
                w0, w1, w2, w3 = values[j], values[j + 1], values[j + 2], values[j + 3]
                for n in range(inputs.shape[2]):
                    outputs[tile, k, n] += (
                        w0 * inputs[tile, i0, n]
                        + w1 * inputs[tile, i1, n]
                        + w2 * inputs[tile, i2, n]
                        + w3 * inputs[tile, i3, n]
                    )
                j += 4
            while j < starts[k + 1]:
                i0, w0 = columns[j], values[j]
                for n in range(inputs.shape[2]):
                    outputs[tile, k, n] += w0 * inputs[tile, i0, n]
                j += 1


@_compiled
def weight_gradient(
    first: int,
    last: int,
    starts: Array,
    columns: Array,
    output_gradient: Array,
    inputs: Array,
    values_gradient: Array,
    bias_gradient: Array,
) -> None:
    """Fill ``values_gradient[k, i] = Σ_t output_gradient[t, k] · inputs[t, i]`` at kept entries only.

    And ``bias_gradient[k] = Σ_t output_gradient[t, k]``, since it is at hand.

    Parameters
    ----------
    first, last, starts, columns, inputs
        As in `product`.
    output_gradient : ndarray, (tiles, out, width)
        0 in columns that belong to no sample.
    values_gradient : ndarray, (kept,)
    bias_gradient : ndarray, (out,)
    """
    zero = values_gradient.dtype.type(0)
    for j in range(starts[first], starts[last]):
        values_gradient[j] = zero
    for k in range(first, last):
        bias_gradient[k] = zero
    for tile in range(inputs.shape[0]):
        for k in range(first, last):
            total = zero
            for n in range(inputs.shape[2]):
                total += output_gradient[tile, k, n]
            bias_gradient[k] += total
            j = starts[k]
            while j + 4 <= starts[k + 1]:
                i0, i1, i2, i3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
                s0, s1, s2, s3 = zero, zero, zero, zero
                for n in range(inputs.shape[2]):
                    g = output_gradient[tile, k, n]
                    s0 += g * inputs[tile, i0, n]
                    s1 += g * inputs[tile, i1, n]
                    s2 += g * inputs[tile, i2, n]
                    s3 += g * inputs[tile, i3, n]
                values_gradient[j] += s0
                values_gradient[j + 1] += s1
                values_gradient[j + 2] += s2
                values_gradient[j + 3] += s3
                j += 4
            while j < starts[k + 1]:
                i0, s0 = columns[j], zero
                for n in range(inputs.shape[2]):
                    s0 += output_gradient[tile, k, n] * inputs[tile, i0, n]
                values_gradient[j] += s0
                j += 1


@_compiled
def gather_into_tiles(table: Array, rows: Array, tiles: Array) -> None:
    """Fill tiles from rows of a table, samples by features; see `sparsight.sparse.tiles.Tiling.gathered`.

    Eight samples by sixteen features at a time: rows that lie a multiple of 4096 bytes apart share one set
    of the first-level cache, which has room for eight.
    """
    num_samples, num_features = len(rows), table.shape[1]
    width = tiles.shape[2]
    for tile in range(tiles.shape[0]):
        for start in range(0, width, 8):
            first = tile * width + start
            count = min(8, num_samples - first)
            for feature in range(0, num_features, 16):
                for i in range(feature, min(feature + 16, num_features)):
                    for n in range(8):
                        tiles[tile, i, start + n] = table[rows[first + n], i] if n < count else 0


@_compiled
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
            part = kind(0)
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


@_compiled
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
