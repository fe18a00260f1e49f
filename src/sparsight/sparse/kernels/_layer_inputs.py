"""Reading the input of a layer, one piece at a time, and taking gradients back through the same transform.

The input x of a layer is either rows of the table of training data or the tiles of the layer before. The
products do not see x but

    v = a((r(x) − centre) · scale + shift),

where r or a may be a ReLU and the rest is a BatchNorm, the standardisation of bytes, or nothing. v is
computed here for one piece (some features of one tile), which stays in the first-level cache while all
units take their products with it, and is never stored as a whole. See "A layer's input is made piece by
piece, where it is read, and never stored" in docs/decisions.md.

Every function takes `inputs` beside the `Reading` that belongs to it: (samples, features) for a table,
(tiles, features, width) for tiles. numba drops the branch for the other kind only if it knows the number of
dimensions of an *argument*; for a field of a tuple it would try to compile both branches and fail.
"""

from typing import Any, NamedTuple

import numpy as np

from sparsight.compilation import compiled
from sparsight.sparse._tiles import RELU_FIRST, RELU_LAST
from sparsight.sparse.kernels._feature_rows import (
    FOUR,
    moments_of_four,
    moments_of_four_rectified,
    standardised,
    standardised_after_relu,
    standardised_before_relu,
)
from sparsight.sparse.kernels._gather import SIDE, turn_block

Array = np.ndarray


class Reading(NamedTuple):
    """How the input of a layer is read: v as a function of `inputs`.

    `rows` of the table form the batch (None for tiles); `features` are the columns that are read, ascending,
    where empty means all. Columns of the last tile beyond `num_samples` are padding. `centre`, `scale` and
    `shift` have length 0 where v = x. `relu` is `NO_RELU`, `RELU_FIRST` or `RELU_LAST`.
    """

    rows: Any  # loops that index it are compiled for tables only, which mypy cannot see
    features: Array
    num_samples: int
    centre: Array
    scale: Array
    shift: Array
    relu: int


@compiled(is_inlined=True)
def fill_piece(
    inputs: Array, reading: Reading, tile: int, begin: int, end: int, width: int, piece: Array, place: int
) -> None:
    """Store features ``begin … end − 1`` of v for one tile into `piece`.

    Feature f of sample n goes to the flat index ``place + (f − begin) · width + n``. `begin` is a multiple of
    16. Padding columns receive some finite number: their gradient is 0, and 0 times NaN would be NaN.
    """
    if inputs.ndim == 3:
        _fill_from_tiles(inputs, reading, tile, begin, end, piece, place)
    else:
        _fill_from_table(inputs, reading, tile, begin, end, width, piece, place)
        _standardise(reading, begin, end, width, piece, place)


@compiled(is_inlined=True)
def _fill_from_tiles(
    inputs: Array, reading: Reading, tile: int, begin: int, end: int, piece: Array, place: int
) -> None:
    num_features, width = inputs.shape[1:]
    for feature in range(begin, end):
        source, target = (tile * num_features + feature) * width, place + (feature - begin) * width
        affine = (reading.centre[feature], reading.scale[feature], reading.shift[feature])
        if reading.relu == RELU_FIRST:
            standardised_after_relu(inputs, source, width, affine, piece, target)
        elif reading.relu == RELU_LAST:
            standardised_before_relu(inputs, source, width, affine, piece, target)
        else:
            standardised(inputs, source, width, affine, piece, target)


@compiled(is_inlined=True)
def _fill_from_table(
    table: Array, reading: Reading, tile: int, begin: int, end: int, width: int, piece: Array, place: int
) -> None:
    rows, features = reading.rows, reading.features
    zero = piece.dtype.type(0)
    num_features = np.int64(table.shape[1])
    are_listed = len(features) > 0
    for start in range(0, width, SIDE):
        sample = tile * width + start
        count = max(0, min(SIDE, reading.num_samples - sample))
        # Whole blocks of 16 samples by 16 features are turned in registers; the rest goes number by number.
        whole = begin + (end - begin) // SIDE * SIDE if count == SIDE else begin
        for feature in range(begin, whole, SIDE):
            at = place + (feature - begin) * width + start
            column = features[feature] if are_listed else feature
            # Columns ascend, so the first and the last of sixteen tell whether they are consecutive.
            if not are_listed or features[feature + SIDE - 1] == column + SIDE - 1:
                turn_block(table, rows, sample, num_features, column, piece, at, width)
            else:
                for n in range(SIDE):
                    row = rows[sample + n]
                    for i in range(SIDE):
                        piece[at + i * width + n] = table[row, features[feature + i]]
        for feature in range(whole, end):
            at = place + (feature - begin) * width + start
            column = features[feature] if are_listed else feature
            for n in range(SIDE):
                piece[at + n] = table[rows[sample + n], column] if n < count else zero


@compiled(is_inlined=True)
def _standardise(reading: Reading, begin: int, end: int, width: int, piece: Array, place: int) -> None:
    if len(reading.centre) > 0:
        for feature in range(begin, end):
            at = place + (feature - begin) * width
            affine = (reading.centre[feature], reading.scale[feature], reading.shift[feature])
            standardised(piece, at, width, affine, piece, at)


@compiled(is_inlined=True)
def tile_moments(tile: int, inputs: Array, num_samples: int, relu: int, moments: Array) -> None:
    """Fill the mean of r(x) over the samples of one tile, and the sum of squares about that mean.

    r is a ReLU if `relu` is `RELU_FIRST`, and the identity otherwise. Padding is left out. A feature that is
    constant has exactly its value as mean and exactly 0 as sum of squares.
    """
    num_features, width = inputs.shape[1:]
    count = min(width, num_samples - tile * width)
    whole = count - count % SIDE if num_features >= FOUR else 0
    if whole > 0:
        for four in range(0, num_features, FOUR):
            # The last four overlap those before, if need be.
            at = tile * num_features + min(four, num_features - FOUR)
            places = (at, moments.shape[1] * num_features + at)
            if relu == RELU_FIRST:
                moments_of_four_rectified(inputs, at * width, width, whole, moments, places)
            else:
                moments_of_four(inputs, at * width, width, whole, moments, places)
    if whole < count:
        for feature in range(num_features):
            _add_rest(inputs, tile, feature, whole, count, relu, moments)


@compiled(is_inlined=True)
def _add_rest(
    inputs: Array, tile: int, feature: int, whole: int, count: int, relu: int, moments: Array
) -> None:
    """Add the samples that fill no vector to the moments of the first `whole` samples of a row.

    Each sample x moves the mean m of those before by (x − m) / n and adds (x − m)² (n − 1) / n to the squares
    (Welford 1962): nothing, exactly, if x = m.
    """
    mean, square = 0.0, 0.0
    if whole > 0:
        mean, square = moments[0, tile, feature], moments[1, tile, feature]
    for n in range(whole, count):
        x = 0.0
        if relu != RELU_FIRST or not inputs[tile, feature, n] < 0:
            x += inputs[tile, feature, n]
        difference = x - mean
        mean += difference / (n + 1)
        square += difference * difference * n / (n + 1)
    moments[0, tile, feature] = mean
    moments[1, tile, feature] = square


@compiled
def all_tile_moments(
    first: int, last: int, inputs: Array, num_samples: int, relu: int, moments: Array
) -> None:
    """Call `tile_moments` for tiles ``first … last − 1``."""
    for tile in range(first, last):
        tile_moments(tile, inputs, num_samples, relu, moments)


@compiled
def row_moments(first: int, last: int, table: Array, rows: Array, means: Array, squares: Array) -> None:
    """Fill means and sums of squares about them for features ``first … last − 1`` of rows of a table."""
    for feature in range(first, last):
        means[feature] = 0.0
        squares[feature] = 0.0
    # Rows outside, features inside: a row's features are neighbours in memory.
    for row in rows:
        for feature in range(first, last):
            means[feature] += table[row, feature]
    for feature in range(first, last):
        means[feature] /= len(rows)
    for row in rows:
        for feature in range(first, last):
            squares[feature] += (table[row, feature] - means[feature]) ** 2


@compiled(is_inlined=True)
def pass_back(
    inputs: Array, reading: Reading, tile: int, gradient: Array, sums: Array, products: Array
) -> None:
    """Take the gradient by v of one tile back through the last ReLU, in place, and sum it for the BatchNorm.

    The gradient by x needs sums over the whole batch: Σ g and Σ g · (r(x) − centre). They are collected here,
    tile by tile, and `finish_back` uses them afterwards. Padding columns of the gradient are set to 0.
    """
    width = inputs.shape[2]
    zero = gradient.dtype.type(0)
    count = min(width, reading.num_samples - tile * width)
    relu = reading.relu
    for feature in range(inputs.shape[1]):
        by, factor, offset = reading.centre[feature], reading.scale[feature], reading.shift[feature]
        total, product = zero, zero
        for n in range(count):
            x = inputs[tile, feature, n]
            x = zero if relu == RELU_FIRST and x < 0 else x
            g = gradient[tile, feature, n]
            # Whether the ReLU let v pass is computed again: cheaper than keeping v or a mask from the forward
            # pass.
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
    first: int, last: int, inputs: Array, reading: Reading, offset: Array, slope: Array, gradient: Array
) -> None:
    """Turn the gradient by v into that by x: ``scale · (g − offset − slope · (r(x) − centre))``.

    It is changed in place for tiles ``first … last − 1``, and 0 where r is a ReLU that cuts x off.
    """
    width = inputs.shape[2]
    zero = gradient.dtype.type(0)
    for tile in range(first, last):
        count = min(width, reading.num_samples - tile * width)
        for feature in range(inputs.shape[1]):
            by, factor = reading.centre[feature], reading.scale[feature]
            constant, line = offset[feature], slope[feature]
            for n in range(count):
                x = inputs[tile, feature, n]
                g = gradient[tile, feature, n]
                if reading.relu == RELU_FIRST:
                    y = zero if x < 0 else x
                    g = factor * (g - constant - line * (y - by))
                    gradient[tile, feature, n] = g if x > 0 else zero
                else:
                    gradient[tile, feature, n] = factor * (g - constant - line * (x - by))
