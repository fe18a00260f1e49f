"""Gathering rows of a table into tiles: blocks of 16 samples by 16 features, transposed in registers.

A table has the features of a sample side by side, a tile the samples of a feature. A plain double loop
writes one number at a time and took three times as long as copying the rows; here 16 vectors are loaded,
transposed by shuffles and stored as 16 vectors.

numba's cache does not notice changes in this file: after a change, delete the ``__pycache__`` beside it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

SIDE = 16
"""Samples and features of a block: 16 float32 fill a cache line, and 16 samples are the vector that the loops
over kept weights work on, so every width of a tile is a multiple of it."""

_INT = ir.IntType(64)


def _typed_block(_, table, rows, sample, num_features, feature, tiles, place, width):  # type: ignore[no-untyped-def]
    """Store ``table[rows[sample + n], feature + i]`` at the flat index ``place + i · width + n`` of `tiles`.

    Both n and i run over 0 … 15. Bytes are read as numbers from 0 to 255.
    """
    signature = types.void(table, rows, sample, num_features, feature, tiles, place, width)
    return signature, _turn_code


def _turn_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    def data(position: int) -> Any:
        kind = context.make_array(signature.args[position])
        return kind(context, builder, arguments[position]).data

    def vector_at(base: Any, index: Any, vector: Any) -> Any:
        return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())

    def vectors_of(position: int) -> tuple[Any, int]:
        scalar = context.get_value_type(signature.args[position].dtype)
        return ir.VectorType(scalar, SIDE), context.get_abi_sizeof(scalar)

    table, rows, tiles = (data(position) for position in (0, 1, 5))
    sample, num_features, feature, place, width = (arguments[position] for position in (2, 3, 4, 6, 7))
    # Rows begin at any address: loads and stores are aligned to a number, not to a vector.
    (read, align_read), (stored, align_stored) = vectors_of(0), vectors_of(5)
    block = []
    for n in range(SIDE):
        row = builder.load(builder.gep(rows, [builder.add(sample, _INT(n))]))
        at = builder.add(builder.mul(row, num_features), feature)
        block.append(builder.load(vector_at(table, at, read), align=align_read))
    is_of_bytes = isinstance(signature.args[0].dtype, types.Integer)
    # Bytes are transposed as bytes, a quarter of the registers, and become numbers only at the end.
    for i, numbers in enumerate(_transposed(builder, block)):
        at = builder.add(place, builder.mul(_INT(i), width))
        values = builder.uitofp(numbers, stored) if is_of_bytes else numbers
        builder.store(values, vector_at(tiles, at, stored), align=align_stored)
    return context.get_dummy_value()


def _transposed(builder: Any, block: list[Any]) -> list[Any]:
    """Return the transpose of 16 vectors: halves of 1, 2, 4 and 8 lanes are swapped between pairs of vectors.

    The round with step s swaps bit log₂ s of the row with that of the lane; four rounds swap all four bits.
    """
    step = 1
    while step < SIDE:
        lower = [lane if not lane & step else lane - step + SIDE for lane in range(SIDE)]
        upper = [lane + step if not lane & step else lane + SIDE for lane in range(SIDE)]
        turned = list(block)
        for i in range(SIDE):
            if not i & step:
                pair = block[i], block[i + step]
                turned[i] = builder.shuffle_vector(*pair, _lanes(lower))
                turned[i + step] = builder.shuffle_vector(*pair, _lanes(upper))
        block, step = turned, 2 * step
    return block


def _lanes(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), SIDE), numbers)


turn_block: Any = intrinsic(_typed_block)
