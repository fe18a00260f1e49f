"""Products with kept weights, compiled: for every tile, piece by piece of the input.

Weights lie in the order of `sparsight.sparse._pieces.Pieces`: piece by piece of
the input features, and unit by unit in each.
What `inputs`, `rows`, `features`, `centre`, `scale`, `shift` and `relu` are is said in
`sparsight.sparse.kernels._layer_inputs`.
"""

from typing import Any

import numpy as np

from sparsight.compilation import compiled
from sparsight.sparse.kernels._layer_inputs import fill_piece, pass_back, tile_moments
from sparsight.sparse.kernels._row_loops import (
    add_16,
    add_32,
    add_64,
    dots_of_16,
    dots_of_32,
    dots_of_64,
    sum_of_16,
    sum_of_32,
    sum_of_64,
)

Array = np.ndarray

_CACHE_LINE = 64  # bytes


@compiled
def _unit_sums(
    starts: Array,
    columns: Array,
    values: Array,
    bias: Array,
    is_first: bool,
    piece: Array,
    offset: int,
    outputs: Array,
    tile: int,
) -> None:
    """Add the products of one piece to all units of a tile; of the first piece, store them with the bias."""
    _, num_outputs, width = outputs.shape
    at_32, at_16 = width - width % 64, width - width % 32
    for k in range(num_outputs):
        begin, end, start = starts[k], starts[k + 1], bias[k]
        place = (tile * num_outputs + k) * width
        if is_first:
            for n in range(0, width - 63, 64):
                sum_of_64(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)
            if width & 32:
                n = at_32
                sum_of_32(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)
            if width & 16:
                n = at_16
                sum_of_16(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)
        elif begin < end:
            for n in range(0, width - 63, 64):
                add_64(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)
            if width & 32:
                n = at_32
                add_32(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)
            if width & 16:
                n = at_16
                add_16(values, columns, begin, end, piece, offset + n, width, start, outputs, place + n)


@compiled
def _unit_dots(
    starts: Array,
    columns: Array,
    first_unit: int,
    last_unit: int,
    gradient: Array,
    tile: int,
    piece: Array,
    offset: int,
    totals: Array,
) -> None:
    """Add Σ g x over a tile's samples to the totals of one piece's weights, for a range of units."""
    _, num_outputs, width = gradient.shape
    at_32, at_16 = width - width % 64, width - width % 32
    for k in range(first_unit, last_unit):
        begin, end = starts[k], starts[k + 1]
        place = (tile * num_outputs + k) * width
        if begin < end:
            for n in range(0, width - 63, 64):
                dots_of_64(gradient, place + n, columns, begin, end, piece, offset + n, width, totals)
            if width & 32:
                n = at_32
                dots_of_32(gradient, place + n, columns, begin, end, piece, offset + n, width, totals)
            if width & 16:
                n = at_16
                dots_of_16(gradient, place + n, columns, begin, end, piece, offset + n, width, totals)


@compiled
def product(
    first: int,
    last: int,
    inputs: Array,
    rows: Any,
    features: Array,
    num_samples: int,
    centre: Array,
    scale: Array,
    shift: Array,
    relu: int,
    size: int,
    starts: Array,
    columns: Array,
    values: Array,
    bias: Array,
    outputs: Array,
    next_relu: int,
    moments: Array,
) -> None:
    """Fill ``outputs[t, k] = bias[k] + Σ_i values[k, i] · v[t, i]``, and their moments while at hand.

    Parameters
    ----------
    first, last : int
        Tiles t to fill.
    size : int
        Features of a piece.
    starts, columns : ndarray of int32
        As in `Pieces`.
    values : ndarray, (kept,)
        In the order of `columns`.
    bias : ndarray, (out,)
    outputs : ndarray, (tiles, out, width)
        The width a multiple of 16.
    next_relu : int
    moments : ndarray of float64, (2, tiles, out), or (2, 0, 0) where nobody needs them
        As `tile_moments` fills them, for outputs that are rectified first or not.
    """
    width = outputs.shape[2]
    num_features = len(features) if len(features) > 0 else inputs.shape[1]
    if inputs.ndim == 3 and len(centre) == 0:
        for tile in range(first, last):
            for part in range(len(starts)):
                at = (tile * num_features + part * size) * width
                _unit_sums(starts[part], columns, values, bias, part == 0, inputs, at, outputs, tile)
            if moments.size:
                tile_moments(tile, outputs, num_samples, next_relu, moments)
    else:
        piece = np.empty(size * width + _CACHE_LINE, centre.dtype)
        place = (-piece.ctypes.data % _CACHE_LINE) // piece.itemsize
        for tile in range(first, last):
            for part in range(len(starts)):
                begin, end = part * size, min((part + 1) * size, num_features)
                fill_piece(
                    inputs,
                    rows,
                    features,
                    num_samples,
                    tile,
                    begin,
                    end,
                    width,
                    centre,
                    scale,
                    shift,
                    relu,
                    piece,
                    place,
                )
                _unit_sums(starts[part], columns, values, bias, part == 0, piece, place, outputs, tile)
            if moments.size:
                tile_moments(tile, outputs, num_samples, next_relu, moments)


@compiled
def weight_gradient(
    first: int,
    last: int,
    cuts: Array,
    inputs: Array,
    rows: Any,
    features: Array,
    num_samples: int,
    centre: Array,
    scale: Array,
    shift: Array,
    relu: int,
    size: int,
    starts: Array,
    columns: Array,
    output_gradient: Array,
    values_gradient: Array,
    bias_gradient: Array,
) -> None:
    """Fill ``values_gradient[g, k, i] = Σ_t output_gradient[t, k] · v[t, i]`` at kept entries only.

    And ``bias_gradient[g, k] = Σ_t output_gradient[t, k]``, since it is at hand. Group g has the tiles
    ``g · tiles // groups … (g + 1) · tiles // groups − 1``.

    Parameters
    ----------
    first, last : int
        Shares of the work to do: share s is range ``s % ranges`` of the units in group ``s // ranges``.
    cuts : ndarray of int64, (ranges + 1,)
        Range r is units ``cuts[r] … cuts[r + 1] − 1``.
    size, starts, columns
        As in `product`.
    output_gradient : ndarray, (tiles, out, width)
        0 in columns that belong to no sample.
    values_gradient : ndarray, (groups, kept)
    bias_gradient : ndarray, (groups, out)
    """
    num_tiles, _, width = output_gradient.shape
    num_features = len(features) if len(features) > 0 else inputs.shape[1]
    num_groups, num_ranges = len(values_gradient), len(cuts) - 1
    zero = values_gradient.dtype.type(0)
    piece = np.empty(size * width + _CACHE_LINE, centre.dtype)
    place = (-piece.ctypes.data % _CACHE_LINE) // piece.itemsize
    for share in range(first, last):
        group, part_of_units = share // num_ranges, share % num_ranges
        first_unit, last_unit = cuts[part_of_units], cuts[part_of_units + 1]
        by_values, by_bias = values_gradient[group], bias_gradient[group]
        by_bias[first_unit:last_unit] = zero
        for part in range(len(starts)):
            by_values[starts[part, first_unit] : starts[part, last_unit]] = zero
        for tile in range(group * num_tiles // num_groups, (group + 1) * num_tiles // num_groups):
            for k in range(first_unit, last_unit):
                total = zero
                for n in range(width):
                    total += output_gradient[tile, k, n]
                by_bias[k] += total
            for part in range(len(starts)):
                begin, end = part * size, min((part + 1) * size, num_features)
                if inputs.ndim == 3 and len(centre) == 0:
                    at = (tile * num_features + begin) * width
                    _unit_dots(
                        starts[part],
                        columns,
                        first_unit,
                        last_unit,
                        output_gradient,
                        tile,
                        inputs,
                        at,
                        by_values,
                    )
                else:
                    fill_piece(
                        inputs,
                        rows,
                        features,
                        num_samples,
                        tile,
                        begin,
                        end,
                        width,
                        centre,
                        scale,
                        shift,
                        relu,
                        piece,
                        place,
                    )
                    _unit_dots(
                        starts[part],
                        columns,
                        first_unit,
                        last_unit,
                        output_gradient,
                        tile,
                        piece,
                        place,
                        by_values,
                    )


@compiled
def input_gradient(
    first: int,
    last: int,
    inputs: Array,
    num_samples: int,
    centre: Array,
    scale: Array,
    shift: Array,
    relu: int,
    size: int,
    starts: Array,
    columns: Array,
    values: Array,
    output_gradient: Array,
    gradient: Array,
    sums: Array,
    products: Array,
) -> None:
    """Fill ``gradient[t, i] = Σ_k values[k, i] · output_gradient[t, k]``, taken back through `pass_back`.

    Parameters
    ----------
    first, last : int
        Tiles t to fill.
    size, starts, columns, values
        Of the transposed weight: pieces of the units.
    output_gradient : ndarray, (tiles, out, width)
    gradient, inputs : ndarray, (tiles, in, width)
    sums, products : ndarray of float64, (tiles, in)
        As in `pass_back`; left as they are where v = x.
    """
    _, num_outputs, width = output_gradient.shape
    bias = np.zeros(gradient.shape[1], gradient.dtype)
    for tile in range(first, last):
        for part in range(len(starts)):
            at = (tile * num_outputs + part * size) * width
            _unit_sums(starts[part], columns, values, bias, part == 0, output_gradient, at, gradient, tile)
        if len(centre) > 0:
            pass_back(inputs, tile, num_samples, centre, scale, shift, relu, gradient, sums, products)
