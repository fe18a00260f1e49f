"""What a layer's products read: a piece of its input at a time, made where it is needed and never stored.

The input of a layer is rows of the table of training data, or the tiles that the layer before gave, rectified
and standardised on the way: *v = a((r(x) − centre) · scale + shift)*, where r or a may be a ReLU. A piece,
some features of one tile, stays in the first-level cache while all units take their products with it.

Functions here are compiled (`sparsight.compilation`). Arrays `inputs` are (samples, features) with the
samples of a batch in `rows`, or (tiles, features, width) with None for `rows`; `features` are the columns of
the table that are used, ascending, or nothing where all are; `centre`, `scale` and `shift` are (features,),
or (0,) where v = x; `relu` is as in `sparsight.sparse._tiles`.
"""

from typing import Any

import numpy as np

from sparsight.compilation import compiled
from sparsight.sparse._tiles import RELU_FIRST, RELU_LAST
from sparsight.sparse.kernels._gather import SIDE, turn_block

Array = np.ndarray


@compiled
def fill_piece(
    inputs: Array,
    rows: Any,
    features: Array,
    num_samples: int,
    tile: int,
    begin: int,
    end: int,
    width: int,
    centre: Array,
    scale: Array,
    shift: Array,
    relu: int,
    piece: Array,
    place: int,
) -> None:
    """Store features ``begin … end − 1`` of a tile into `piece`, from the flat index `place` on.

    Feature f, sample n goes to ``place + (f − begin) · width + n``. `begin` is a multiple of 16. Columns that
    belong to no sample hold any finite number.
    """
    zero = piece.dtype.type(0)
    if inputs.ndim == 3:
        for feature in range(begin, end):
            at = place + (feature - begin) * width
            by, factor, offset = centre[feature], scale[feature], shift[feature]
            if relu == RELU_FIRST:
                for n in range(width):
                    x = inputs[tile, feature, n]
                    x = zero if x < 0 else x
                    piece[at + n] = (x - by) * factor + offset
            elif relu == RELU_LAST:
                for n in range(width):
                    value = (inputs[tile, feature, n] - by) * factor + offset
                    piece[at + n] = zero if value < 0 else value  # a NaN passes: divergence must be seen
            else:
                for n in range(width):
                    piece[at + n] = (inputs[tile, feature, n] - by) * factor + offset
    else:
        num_features = np.int64(inputs.shape[1])
        are_listed = len(features) > 0
        for start in range(0, width, SIDE):
            sample = tile * width + start
            count = max(0, min(SIDE, num_samples - sample))
            whole = begin + (end - begin) // SIDE * SIDE if count == SIDE else begin
            for feature in range(begin, whole, SIDE):
                at = place + (feature - begin) * width + start
                column = features[feature] if are_listed else feature
                if not are_listed or features[feature + SIDE - 1] == column + SIDE - 1:
                    turn_block(inputs, rows, sample, num_features, column, piece, at, width)
                else:
                    for n in range(SIDE):
                        row = rows[sample + n]
                        for i in range(SIDE):
                            piece[at + i * width + n] = inputs[row, features[feature + i]]
            for feature in range(whole, end):
                at = place + (feature - begin) * width + start
                column = features[feature] if are_listed else feature
                for n in range(SIDE):
                    piece[at + n] = inputs[rows[sample + n], column] if n < count else zero
        if len(centre) > 0:
            for feature in range(begin, end):
                at = place + (feature - begin) * width
                by, factor, offset = centre[feature], scale[feature], shift[feature]
                for n in range(width):
                    piece[at + n] = (piece[at + n] - by) * factor + offset


@compiled
def tile_moments(tile: int, inputs: Array, num_samples: int, relu: int, moments: Array) -> None:
    """Fill the mean of r(x) over the samples of a tile, and the sum of squares about it.

    Parameters
    ----------
    tile : int
    inputs : ndarray, (tiles, features, width)
    num_samples, relu : int
    moments : ndarray of float64, (2, tiles, features)
        A feature that is constant has exactly its value for mean and 0 for sum of squares.
    """
    width = inputs.shape[2]
    zero = inputs.dtype.type(0)
    count = min(width, num_samples - tile * width)
    for feature in range(inputs.shape[1]):
        total = 0.0
        for n in range(count):
            x = inputs[tile, feature, n]
            total += zero if relu == RELU_FIRST and x < 0 else x
        mean = inputs.dtype.type(total / count)
        square = zero
        for n in range(count):
            x = inputs[tile, feature, n]
            square += ((zero if relu == RELU_FIRST and x < 0 else x) - mean) ** 2
        # Σ(x − c)² about the rounded mean c, less what the rounding adds
        error = total / count - mean
        moments[0, tile, feature] = total / count
        moments[1, tile, feature] = max(square - count * error * error, 0.0)


@compiled
def all_tile_moments(
    first: int, last: int, inputs: Array, num_samples: int, relu: int, moments: Array
) -> None:
    """Call `tile_moments` for tiles ``first … last − 1``."""
    for tile in range(first, last):
        tile_moments(tile, inputs, num_samples, relu, moments)


@compiled
def row_moments(first: int, last: int, table: Array, rows: Array, means: Array, squares: Array) -> None:
    """Fill mean and sum of squares about it, of features ``first … last − 1`` over rows of a table.

    Parameters
    ----------
    first, last : int
    table : ndarray, (samples, features)
    rows : ndarray of int64, (n,)
    means, squares : ndarray of float64, (features,)
    """
    for feature in range(first, last):
        means[feature] = 0.0
        squares[feature] = 0.0
    for row in rows:
        for feature in range(first, last):
            means[feature] += table[row, feature]
    for feature in range(first, last):
        means[feature] /= len(rows)
    for row in rows:
        for feature in range(first, last):
            squares[feature] += (table[row, feature] - means[feature]) ** 2


@compiled
def pass_back(
    inputs: Array,
    tile: int,
    num_samples: int,
    centre: Array,
    scale: Array,
    shift: Array,
    relu: int,
    gradient: Array,
    sums: Array,
    products: Array,
) -> None:
    """Take the gradient by v of one tile back through the last ReLU, in place, and add up for the rest.

    Parameters
    ----------
    inputs : ndarray, (tiles, features, width)
    gradient : ndarray, (tiles, features, width)
        Cleared in columns that belong to no sample.
    sums, products : ndarray of float64, (tiles, features)
        Filled at `tile` with Σ g and Σ g (r(x) − centre).
    """
    width = inputs.shape[2]
    zero = gradient.dtype.type(0)
    count = min(width, num_samples - tile * width)
    for feature in range(inputs.shape[1]):
        by, factor, offset = centre[feature], scale[feature], shift[feature]
        total, product = zero, zero
        for n in range(count):
            x = inputs[tile, feature, n]
            x = zero if relu == RELU_FIRST and x < 0 else x
            g = gradient[tile, feature, n]
            g = g if relu != RELU_LAST or (x - by) * factor + offset > 0 else zero
            gradient[tile, feature, n] = g
            total += g
            product += g * (x - by)
        for n in range(count, width):
            gradient[tile, feature, n] = zero
        sums[tile, feature] = total
        products[tile, feature] = product


@compiled
def finish_back(
    first: int,
    last: int,
    inputs: Array,
    num_samples: int,
    centre: Array,
    scale: Array,
    offset: Array,
    slope: Array,
    relu: int,
    gradient: Array,
) -> None:
    """Make the gradient by v that of x: ``scale · (g − offset − slope · (r(x) − centre))``, 0 where r cuts.

    Parameters
    ----------
    first, last : int
        Tiles.
    inputs, gradient : ndarray, (tiles, features, width)
        The second is changed in place.
    centre, scale, offset, slope : ndarray, (features,)
    """
    width = inputs.shape[2]
    zero = gradient.dtype.type(0)
    for tile in range(first, last):
        count = min(width, num_samples - tile * width)
        for feature in range(inputs.shape[1]):
            by, factor = centre[feature], scale[feature]
            constant, line = offset[feature], slope[feature]
            for n in range(count):
                x = inputs[tile, feature, n]
                g = gradient[tile, feature, n]
                if relu == RELU_FIRST:
                    y = zero if x < 0 else x
                    g = factor * (g - constant - line * (y - by))
                    gradient[tile, feature, n] = g if x > 0 else zero
                else:
                    gradient[tile, feature, n] = factor * (g - constant - line * (x - by))
