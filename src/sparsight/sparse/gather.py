"""Filling tiles from the rows of a table, compiled: blocks of 16 samples by 16 features turn in registers.

A plain double loop stores one number at a time and took three times as long as copying the rows. Loop and
block share this file because numba keeps what it compiled until the file changes.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sparsight.sparse.compilation import compiled

Array = np.ndarray

_SIDE = 16
_INT = ir.IntType(64)


def _typed_block(  # type: ignore[no-untyped-def]
    _,
    table,
    rows,
    sample,
    num_features,
    feature,
    tiles,
    place,
    width,
):
    """Store ``table[rows[sample + n], feature + i]`` at the index ``place + i · width + n`` of `tiles`."""
    signature = types.void(table, rows, sample, num_features, feature, tiles, place, width)
    return signature, _turn_code


def _turn_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    def data(position: int) -> Any:
        kind = context.make_array(signature.args[position])
        return kind(context, builder, arguments[position]).data

    def vector_at(base: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

    table, rows, tiles = (data(position) for position in (0, 1, 5))
    sample, num_features, feature, place, width = (arguments[position] for position in (2, 3, 4, 6, 7))
    scalar = context.get_value_type(signature.args[0].dtype)
    align = context.get_abi_sizeof(scalar)
    vector = ir.VectorType(scalar, _SIDE)
    block = []
    for n in range(_SIDE):
        row = builder.load(builder.gep(rows, [builder.add(sample, _INT(n))]))
        at = builder.add(builder.mul(row, num_features), feature)
        block.append(builder.load(vector_at(table, at), align=align))
    for i, values in enumerate(_transposed(builder, block)):
        at = builder.add(place, builder.mul(_INT(i), width))
        builder.store(values, vector_at(tiles, at), align=align)
    return context.get_dummy_value()


def _transposed(builder: Any, block: list[Any]) -> list[Any]:
    """Return 16 vectors transposed: halves of 1, 2, 4 and 8 lanes change places between pairs of vectors."""
    step = 1
    while step < _SIDE:
        lower = [lane if not lane & step else lane - step + _SIDE for lane in range(_SIDE)]
        upper = [lane + step if not lane & step else lane + _SIDE for lane in range(_SIDE)]
        turned = list(block)
        for i in range(_SIDE):
            if not i & step:
                pair = block[i], block[i + step]
                turned[i] = builder.shuffle_vector(*pair, _lanes(lower))
                turned[i + step] = builder.shuffle_vector(*pair, _lanes(upper))
        block, step = turned, 2 * step
    return block


def _lanes(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), _SIDE), numbers)


_turn_block: Any = intrinsic(_typed_block)


@compiled
def gather_into_tiles(first: int, last: int, table: Array, rows: Array, tiles: Array) -> None:
    """Fill tiles with rows of a table, samples by features; see `sparsight.sparse.tiles.Tiling.gathered`.

    Parameters
    ----------
    first, last : int
        Tiles to fill.
    table : ndarray, (samples, features)
    rows : ndarray of int64, (n,)
    tiles : ndarray, (tiles, features, width)
        The width a multiple of 16; columns that belong to no sample are filled with 0.
    """
    num_samples, num_features = len(rows), table.shape[1]
    width = tiles.shape[2]
    whole = num_features - num_features % 16
    for tile in range(first, last):
        for start in range(0, width, 16):
            sample = tile * width + start
            count = max(0, min(16, num_samples - sample))
            begin = whole if count == 16 else 0
            for feature in range(0, begin, 16):
                place = (tile * num_features + feature) * width + start
                _turn_block(table, rows, sample, num_features, feature, tiles, place, width)
            for feature in range(begin, num_features):
                for n in range(16):
                    tiles[tile, feature, start + n] = table[rows[sample + n], feature] if n < count else 0
