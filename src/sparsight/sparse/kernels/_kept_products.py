"""Products with the kept weights of a layer: forward, by the weights, and by the inputs.

All three go tile by tile and, within a tile, piece by piece of the input. Weights are in the order of
`sparsight.sparse._pattern.Pieces`: piece by piece of the input features, and unit by unit within a piece.
docs/kernels.md draws this.

Arrays that a kernel writes, and the input array, are arguments of their own; what only describes them comes
as a named tuple (`Reading`, `Pieces`), which numba takes apart at the call, at no measurable cost.
"""

import numpy as np

from sparsight.compilation import compiled
from sparsight.sparse._pattern import Pieces
from sparsight.sparse.kernels._feature_rows import row_total
from sparsight.sparse.kernels._layer_inputs import Reading, fill_piece, pass_back, tile_moments
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

# Pieces begin at a cache line: a vector of 16 float32 is as long as a line, and one that straddles two lines
# made the products take 1.7 times as long. numpy aligns to 16 bytes only.
_CACHE_LINE = 64  # bytes


# Not inlined into its callers, which made the product of a table's rows 7 % slower. Its two machine codes
# (see `compiled`) agree to the last digit: the loops within take their sums in a fixed order.
@compiled
def _unit_sums(
    rows: Array,
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
    """Add the products of one piece to all units of a tile; for the first piece, store them plus the bias.

    A width is a multiple of 16. It is cut into runs of 64 samples, then 32, then 16: the running sums of a
    run stay in registers, and the longer the run, the less often a weight is loaded.
    """
    _, num_outputs, width = outputs.shape
    at_32, at_16 = width - width % 64, width - width % 32
    for r in range(num_outputs):
        begin, end, k = starts[r], starts[r + 1], rows[r]
        start = bias[k]
        kept = (begin, end)
        place = (tile * num_outputs + k) * width
        if is_first:
            for n in range(0, width - 63, 64):
                sum_of_64(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)
            if width & 32:
                n = at_32
                sum_of_32(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)
            if width & 16:
                n = at_16
                sum_of_16(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)
        elif begin < end:
            for n in range(0, width - 63, 64):
                add_64(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)
            if width & 32:
                n = at_32
                add_32(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)
            if width & 16:
                n = at_16
                add_16(values, columns, kept, piece, (offset + n, width), start, outputs, place + n)


@compiled(is_inlined=True)
def _unit_dots(
    rows: Array,
    starts: Array,
    columns: Array,
    first: int,
    last: int,
    gradient: Array,
    tile: int,
    piece: Array,
    offset: int,
    totals: Array,
) -> None:
    """Add Σ g x over the samples of a tile to the totals of one piece's weights, for a range of its rows."""
    _, num_outputs, width = gradient.shape
    at_32, at_16 = width - width % 64, width - width % 32
    for r in range(first, last):
        begin, end, k = starts[r], starts[r + 1], rows[r]
        kept = (begin, end)
        place = (tile * num_outputs + k) * width
        if begin < end:
            for n in range(0, width - 63, 64):
                dots_of_64(gradient, place + n, columns, kept, piece, (offset + n, width), totals)
            if width & 32:
                n = at_32
                dots_of_32(gradient, place + n, columns, kept, piece, (offset + n, width), totals)
            if width & 16:
                n = at_16
                dots_of_16(gradient, place + n, columns, kept, piece, (offset + n, width), totals)


@compiled
def product(
    first: int,
    last: int,
    inputs: Array,
    reading: Reading,
    pieces: Pieces,
    values: Array,
    bias: Array,
    outputs: Array,
    next_relu: int,
    moments: Array,
) -> None:
    """Fill ``outputs[t, k] = bias[k] + Σ_i values[k, i] · v[t, i]`` and, if wanted, the outputs' moments.

    Tiles t are ``first … last − 1``; v is read from `inputs`, (samples, in) or (tiles, in, width). Pieces are
    of the weight, and `values` in the order of ``pieces.columns``. `tile_moments` fills `moments`, (2, tiles,
    out), or (2, 0, 0) if nobody needs them: here, because the outputs of the tile are still in the cache.
    """
    width = outputs.shape[2]
    features, starts, columns = reading.features, pieces.starts, pieces.columns
    num_features = len(features) if len(features) > 0 else inputs.shape[1]
    if inputs.ndim == 3 and len(reading.centre) == 0:
        # v = x, already in tiles: the products read it in place, and no piece is filled.
        for tile in range(first, last):
            for part in range(len(starts)):
                at = (tile * num_features + part * pieces.size) * width
                weights = (pieces.rows[part], starts[part], columns, values, bias, part == 0)
                _unit_sums(*weights, inputs, at, outputs, tile)
            if moments.size:
                tile_moments(tile, outputs, reading.num_samples, next_relu, moments)
    else:
        piece = np.empty(pieces.size * width + _CACHE_LINE, reading.centre.dtype)
        place = (-piece.ctypes.data % _CACHE_LINE) // piece.itemsize
        for tile in range(first, last):
            for part in range(len(starts)):
                begin, end = part * pieces.size, min((part + 1) * pieces.size, num_features)
                fill_piece(inputs, reading, tile, begin, end, width, piece, place)
                weights = (pieces.rows[part], starts[part], columns, values, bias, part == 0)
                _unit_sums(*weights, piece, place, outputs, tile)
            if moments.size:
                tile_moments(tile, outputs, reading.num_samples, next_relu, moments)


@compiled
def weight_gradient(
    first: int,
    last: int,
    cuts: Array,
    inputs: Array,
    reading: Reading,
    pieces: Pieces,
    output_gradient: Array,
    values_gradient: Array,
    bias_gradient: Array,
) -> None:
    """Fill ``values_gradient[g, k, i] = Σ_t output_gradient[t, k] · v[t, i]`` at kept entries only.

    ``bias_gradient[g, k] = Σ_t output_gradient[t, k]`` is filled in the same pass. Group g consists of the
    tiles ``g · tiles // groups … (g + 1) · tiles // groups − 1``; the caller adds the groups up. Shares
    ``first … last − 1`` of the work are done. Share s is range ``s % ranges`` in group ``s // ranges``, and
    range r consists of units ``cuts[r] … cuts[r + 1] − 1``. The output gradient is 0 in padding columns.
    Other arguments are those of `product`.
    """
    num_tiles, num_outputs, width = output_gradient.shape
    features, starts, columns = reading.features, pieces.starts, pieces.columns
    num_features = len(features) if len(features) > 0 else inputs.shape[1]
    num_groups, num_ranges = len(values_gradient), len(cuts) - 1
    zero = values_gradient.dtype.type(0)
    piece = np.empty(pieces.size * width + _CACHE_LINE, reading.centre.dtype)
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
                by_bias[k] += row_total(output_gradient, (tile * num_outputs + k) * width, width)
            for part in range(len(starts)):
                begin, end = part * pieces.size, min((part + 1) * pieces.size, num_features)
                units = (pieces.rows[part], starts[part], columns, first_unit, last_unit)
                if inputs.ndim == 3 and len(reading.centre) == 0:
                    at = (tile * num_features + begin) * width
                    _unit_dots(*units, output_gradient, tile, inputs, at, by_values)
                else:
                    fill_piece(inputs, reading, tile, begin, end, width, piece, place)
                    _unit_dots(*units, output_gradient, tile, piece, place, by_values)


@compiled
def input_gradient(
    first: int,
    last: int,
    inputs: Array,
    reading: Reading,
    pieces: Pieces,
    values: Array,
    output_gradient: Array,
    gradient: Array,
    sums: Array,
    products: Array,
) -> None:
    """Fill ``gradient[t, i] = Σ_k values[k, i] · output_gradient[t, k]``, taken back through `pass_back`.

    This is `product` with the transposed weight, whose pieces are of the units: its inputs are the output
    gradients. `sums` and `products` are those of `pass_back`; left as they are where v = x.
    """
    _, num_outputs, width = output_gradient.shape
    starts, columns = pieces.starts, pieces.columns
    bias = np.zeros(gradient.shape[1], gradient.dtype)
    for tile in range(first, last):
        for part in range(len(starts)):
            at = (tile * num_outputs + part * pieces.size) * width
            weights = (pieces.rows[part], starts[part], columns, values, bias, part == 0)
            _unit_sums(*weights, output_gradient, at, gradient, tile)
        if len(reading.centre) > 0:
            pass_back(inputs, reading, tile, gradient, sums, products)
