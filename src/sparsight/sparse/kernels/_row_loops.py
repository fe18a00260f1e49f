"""The innermost loops: over the kept weights of one unit, with whole vectors of samples in registers.

They are intrinsics (see `sparsight.sparse.kernels._vectors`). In a plain loop the compiler keeps the running
sums in memory instead of registers: product and weight gradient then took twice as long with 10 % of the
weights. See "The loops are compiled by numba, their innermost parts written as vectors" in docs/decisions.md.

The samples of column j of `inputs` start at the flat index ``offset + j · stride``.

numba's cache does not notice changes in this file: after a change, delete the ``__pycache__`` beside it.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sparsight.sparse.kernels._vectors import ANY_ORDER, IN_ORDER, INT, LANES, VectorCode

_PAIR = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]


def _row_sum_of(num_vectors: int, *, is_added: bool) -> Any:
    """Make ``row_sum(values, columns, (begin, end), inputs, (offset, stride), start, outputs, place)``.

    It stores ``start + Σ_j values[j] · x_j`` for begin ≤ j < end into `outputs` at the flat index `place`,
    where x_j are the ``16 · num_vectors`` numbers of `inputs` for ``columns[j]``. With `is_added` the sum
    continues from the present content of `outputs` in place of `start`.
    """

    @intrinsic
    def row_sum(_, values, columns, kept, inputs, samples, start, outputs, place):  # type: ignore[no-untyped-def]
        signature = types.void(values, columns, _PAIR, inputs, _PAIR, start, outputs, types.int64)
        return signature, _row_sum_code(num_vectors, is_added)

    return row_sum


def _row_dots_of(num_vectors: int) -> Any:
    """Make ``row_dots(gradient, place, columns, (begin, end), inputs, (offset, stride), totals)``.

    It adds ``Σ g · x_j`` to ``totals[j]`` for begin ≤ j < end, where g are the ``16 · num_vectors`` numbers
    of `gradient` at the flat index `place`, and x_j those of `inputs` for ``columns[j]``.
    """

    @intrinsic
    def row_dots(_, gradient, place, columns, kept, inputs, samples, totals):  # type: ignore[no-untyped-def]
        signature = types.void(gradient, types.int64, columns, _PAIR, inputs, _PAIR, totals)
        return signature, _row_dots_code(num_vectors)

    return row_dots


def _row_sum_code(num_vectors: int, is_added: bool) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = VectorCode(context, builder, signature, arguments)
        values, columns, inputs, outputs = (code.data(position) for position in (0, 1, 3, 6))
        (begin, end), (offset, stride) = code.numbers(2, 2), code.numbers(4, 2)
        start, place = arguments[5], arguments[7]

        def body(j: Any, sums: list[Any]) -> list[Any]:
            weight = code.spread(code.item(values, j))
            at = builder.add(offset, builder.mul(code.column(columns, j), stride))
            vectors = [code.load(inputs, code.plus(at, LANES * u)) for u in range(num_vectors)]
            return [
                code.multiply_add(total, weight, x, flags=IN_ORDER)
                for total, x in zip(sums, vectors, strict=True)
            ]

        places = [code.plus(place, LANES * u) for u in range(num_vectors)]
        before = [code.load(outputs, at) if is_added else code.spread(start) for at in places]
        sums = code.loop(begin, end, before, body)
        for total, at in zip(sums, places, strict=True):
            builder.store(total, code.vector_at(outputs, at), align=code.scalar_bytes)
        return context.get_dummy_value()

    return emit


def _row_dots_code(num_vectors: int) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = VectorCode(context, builder, signature, arguments)
        gradient, columns, inputs, totals = (code.data(position) for position in (0, 2, 4, 6))
        (begin, end), (offset, stride) = code.numbers(3, 2), code.numbers(5, 2)
        place = arguments[1]
        gradients = [code.load(gradient, code.plus(place, LANES * u)) for u in range(num_vectors)]

        def dots(j: Any) -> Any:
            at = builder.add(offset, builder.mul(code.column(columns, j), stride))
            total = ir.Constant(code.vector, None)
            for u, g in enumerate(gradients):
                total = code.multiply_add(total, g, code.load(inputs, code.plus(at, LANES * u)))
            return total

        def add_four(j: Any, _: list[Any]) -> list[Any]:
            sums = code.sums_of([dots(code.plus(j, place)) for place in range(4)])
            target = builder.bitcast(builder.gep(totals, [j]), sums.type.as_pointer())
            before = builder.load(target, align=code.scalar_bytes)
            builder.store(builder.fadd(before, sums, flags=ANY_ORDER), target, align=code.scalar_bytes)
            return []

        def add_one(j: Any, _: list[Any]) -> list[Any]:
            target = builder.gep(totals, [j])
            builder.store(builder.fadd(builder.load(target), code.sum_of(dots(j)), flags=ANY_ORDER), target)
            return []

        # Four weights at a time, then up to three one by one. Eight at a time were not faster.
        rest = builder.sub(end, builder.and_(builder.sub(end, begin), INT(3)))
        code.loop(begin, rest, [], add_four, step=4)
        code.loop(rest, end, [], add_one)
        return context.get_dummy_value()

    return emit


# The widths that occur: a tile has 16 to 64 samples in steps of 16, put together from 64, 32 and 16.
sum_of_64, sum_of_32, sum_of_16 = (_row_sum_of(n, is_added=False) for n in (4, 2, 1))
add_64, add_32, add_16 = (_row_sum_of(n, is_added=True) for n in (4, 2, 1))
dots_of_64, dots_of_32, dots_of_16 = (_row_dots_of(n) for n in (4, 2, 1))
