"""What the tiles have found, put together in a fixed order: the same digits with any number of threads.

These loops are short. They are compiled because several small operations of numpy or torch in their place
took a tenth of a step at low density, on one thread whatever the number of threads.
"""

import numpy as np

from sparsight.compilation import compiled

Array = np.ndarray


@compiled
def batch_moments(
    means: Array, squares: Array, num_samples: int, width: int, mean: Array, variance: Array
) -> None:
    """Fill mean and biased variance over the batch, (features,), from those of tiles, (tiles, features).

    Sums of squares about the mean of each tile are put together with the means' own spread, without
    differences of large sums.
    """
    num_tiles, num_features = means.shape
    for feature in range(num_features):
        mean[feature] = 0.0
        variance[feature] = 0.0
    for tile in range(num_tiles):
        count = min(width, num_samples - tile * width)
        for feature in range(num_features):
            mean[feature] += count * means[tile, feature]
    for feature in range(num_features):
        mean[feature] /= num_samples
    for tile in range(num_tiles):
        count = min(width, num_samples - tile * width)
        for feature in range(num_features):
            difference = means[tile, feature] - mean[feature]
            variance[feature] += squares[tile, feature] + count * difference * difference
    for feature in range(num_features):
        variance[feature] /= num_samples


@compiled
def in_piece_order(first: int, last: int, values: Array, order: Array, ordered: Array) -> None:
    """Fill ``ordered[i] = values[order[i]]`` for i in ``first … last − 1``."""
    for i in range(first, last):
        ordered[i] = values[order[i]]


@compiled
def in_mask_order(first: int, last: int, by_group: Array, order: Array, total: Array) -> None:
    """Fill ``total[order[i]] = Σ_g by_group[g, i]`` for i in ``first … last − 1``, groups in their order."""
    for i in range(first, last):
        found = by_group[0, i]
        for group in range(1, len(by_group)):
            found += by_group[group, i]
        total[order[i]] = found


@compiled
def norm_gradients(
    sums: Array,
    products: Array,
    variance: Array,
    eps: float,
    share: float,
    by_gamma: Array,
    by_beta: Array,
    offset: Array,
    slope: Array,
) -> None:
    """Fill the gradients by γ and β of a BatchNorm, and what `finish_back` needs, (features,) each.

    `sums` and `products` are Σ g and Σ g · (x − mean) of each tile, (tiles, features), and `share` is 1 / n,
    or 0 for running statistics. ∂β = Σ g, ∂γ = Σ g x̂, and the gradient by x is
    ``scale · (g − offset − slope · (x − mean))``.
    """
    num_tiles, num_features = sums.shape
    total, product = np.zeros(num_features), np.zeros(num_features)
    for tile in range(num_tiles):
        for feature in range(num_features):
            total[feature] += sums[tile, feature]
            product[feature] += products[tile, feature]
    for feature in range(num_features):
        inverse = 1.0 / np.sqrt(variance[feature] + eps)
        by_gamma[feature] = product[feature] * inverse
        by_beta[feature] = total[feature]
        offset[feature] = total[feature] * share
        slope[feature] = product[feature] * inverse * inverse * share
