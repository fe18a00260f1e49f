"""The innermost loops: over the kept weights of one unit, with whole vectors of samples in registers.

They are written in LLVM's intermediate language through llvmlite, and numba inserts them where they are
called (an *intrinsic*). In a plain loop the compiler keeps the running sums in memory instead of registers:
product and weight gradient then took twice as long with 10 % of the weights. See "The loops are compiled by
numba, their innermost parts written as vectors" in docs/decisions.md.

A vector holds 16 samples of either dtype; LLVM cuts it into registers of the processor (two of AVX2 for
float32, one of AVX-512). The samples of column j of `inputs` start at the flat index ``offset + j · stride``.

numba's cache does not notice changes in this file: after a change, delete the ``__pycache__`` beside it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LANES = 16
# Sums may be taken in another order and products be fused with additions; NaN and infinity keep IEEE
# semantics, because a diverging loss must be seen ("nnan" and "ninf" are not set).
_FLAGS = ("reassoc", "contract", "nsz")
_IN_ORDER = ("contract", "nsz")
_INT = ir.IntType(64)
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


class _Code:
    """Building blocks of the two loops: arrays as pointers, vectors in and out of memory."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.signature, self.arguments = signature, arguments
        self.scalar = context.get_value_type(signature.args[0].dtype)
        self.vector = ir.VectorType(self.scalar, _LANES)
        self.scalar_bytes = context.get_abi_sizeof(self.scalar)

    def pair(self, position: int) -> list[Any]:
        """Return the two integers of a tuple among the arguments."""
        pair: list[Any] = cgutils.unpack_tuple(self.builder, self.arguments[position], 2)  # type: ignore[no-untyped-call]
        return pair

    def data(self, position: int) -> Any:
        kind = self.context.make_array(self.signature.args[position])
        return kind(self.context, self.builder, self.arguments[position]).data

    def item(self, base: Any, index: Any) -> Any:
        return self.builder.load(self.builder.gep(base, [index]))

    def vector_at(self, base: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(base, [index]), self.vector.as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        # Without `align`, LLVM assumes that a vector begins at a multiple of its own 64 or 128 bytes, and an
        # aligned load of any other address is a crash. On aligned addresses the unaligned load is as fast.
        return self.builder.load(self.vector_at(base, index), align=self.scalar_bytes)

    def plus(self, index: Any, number: int) -> Any:
        return self.builder.add(index, _INT(number))

    def column(self, columns: Any, j: Any) -> Any:
        return self.builder.sext(self.item(columns, j), _INT)

    def spread(self, number: Any) -> Any:
        """Return a vector with the same number in every lane."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None)
        return self.builder.shuffle_vector(first, nothing, everywhere)

    def multiply_add(self, total: Any, a: Any, b: Any, flags: Sequence[str] = _FLAGS) -> Any:
        return self.builder.fadd(total, self.builder.fmul(a, b, flags=flags), flags=flags)

    def sum_of(self, vector: Any) -> Any:
        suffix = "f32" if self.scalar_bytes == 4 else "f64"
        kind = ir.FunctionType(self.scalar, [self.scalar, self.vector])
        reduce = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            self.builder.module, kind, f"llvm.vector.reduce.fadd.v{_LANES}{suffix}"
        )
        return self.builder.call(reduce, [self.scalar(0.0), vector], fastmath=_FLAGS)

    def sums_of(self, four: list[Any]) -> Any:
        """Return the sums of four vectors as a vector of four.

        Summing each vector alone halves it four times and uses fewer lanes each time. Folding pairs of
        vectors into one first keeps all lanes busy, in a third of the steps.
        """
        quarters = range(0, _LANES, 4)
        evens = range(0, _LANES, 2)
        first, second = (self.crossed(a, b, evens, [0, _LANES]) for a, b in (four[:2], four[2:]))
        total = self.crossed(first, second, quarters, [0, 1, _LANES, _LANES + 1])
        while total.type.count > 4:
            half = total.type.count // 2
            low, high = (self.lanes(total, total, range(at, at + half)) for at in (0, half))
            total = self.builder.fadd(low, high, flags=_FLAGS)
        return total

    def crossed(self, a: Any, b: Any, starts: Sequence[int], pattern: Sequence[int]) -> Any:
        """Add neighbouring lanes within `a` and within `b`; the sums alternate in each block."""
        step = len(pattern) // 2
        low = [start + lane for start in starts for lane in pattern]
        high = [lane + step for lane in low]
        return self.builder.fadd(self.lanes(a, b, low), self.lanes(a, b, high), flags=_FLAGS)

    def lanes(self, a: Any, b: Any, numbers: Sequence[int]) -> Any:
        chosen = ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))
        return self.builder.shuffle_vector(a, b, chosen)

    def loop(
        self,
        begin: Any,
        end: Any,
        carried: list[Any],
        body: Callable[[Any, list[Any]], list[Any]],
        step: int = 1,
    ) -> list[Any]:
        """Emit ``for j in range(begin, end, step)`` with values carried in registers; return the final ones.

        A phi node is a value that differs by the block the program comes from: the first round takes
        `carried`, later ones what `body` returned.
        """
        builder, before = self.builder, self.builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        j = builder.phi(_INT)
        j.add_incoming(begin, before)
        sums = [builder.phi(value.type) for value in carried]
        for total, value in zip(sums, carried, strict=True):
            total.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", j, end), inside, after)
        builder.position_at_end(inside)
        following = body(j, sums)
        j.add_incoming(self.plus(j, step), builder.block)
        for total, value in zip(sums, following, strict=True):
            total.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return sums


def _row_sum_code(num_vectors: int, is_added: bool) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature, arguments)
        values, columns, inputs, outputs = (code.data(position) for position in (0, 1, 3, 6))
        (begin, end), (offset, stride) = code.pair(2), code.pair(4)
        start, place = arguments[5], arguments[7]

        def body(j: Any, sums: list[Any]) -> list[Any]:
            weight = code.spread(code.item(values, j))
            at = builder.add(offset, builder.mul(code.column(columns, j), stride))
            vectors = [code.load(inputs, code.plus(at, _LANES * u)) for u in range(num_vectors)]
            return [
                code.multiply_add(total, weight, x, flags=_IN_ORDER)
                for total, x in zip(sums, vectors, strict=True)
            ]

        places = [code.plus(place, _LANES * u) for u in range(num_vectors)]
        before = [code.load(outputs, at) if is_added else code.spread(start) for at in places]
        sums = code.loop(begin, end, before, body)
        for total, at in zip(sums, places, strict=True):
            builder.store(total, code.vector_at(outputs, at), align=code.scalar_bytes)
        return context.get_dummy_value()

    return emit


def _row_dots_code(num_vectors: int) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature, arguments)
        gradient, columns, inputs, totals = (code.data(position) for position in (0, 2, 4, 6))
        (begin, end), (offset, stride) = code.pair(3), code.pair(5)
        place = arguments[1]
        gradients = [code.load(gradient, code.plus(place, _LANES * u)) for u in range(num_vectors)]

        def dots(j: Any) -> Any:
            at = builder.add(offset, builder.mul(code.column(columns, j), stride))
            total = ir.Constant(code.vector, None)
            for u, g in enumerate(gradients):
                total = code.multiply_add(total, g, code.load(inputs, code.plus(at, _LANES * u)))
            return total

        def add_four(j: Any, _: list[Any]) -> list[Any]:
            sums = code.sums_of([dots(code.plus(j, place)) for place in range(4)])
            target = builder.bitcast(builder.gep(totals, [j]), sums.type.as_pointer())
            before = builder.load(target, align=code.scalar_bytes)
            builder.store(builder.fadd(before, sums, flags=_FLAGS), target, align=code.scalar_bytes)
            return []

        def add_one(j: Any, _: list[Any]) -> list[Any]:
            target = builder.gep(totals, [j])
            builder.store(builder.fadd(builder.load(target), code.sum_of(dots(j)), flags=_FLAGS), target)
            return []

        # Four weights at a time, then up to three one by one. Eight at a time were not faster.
        rest = builder.sub(end, builder.and_(builder.sub(end, begin), _INT(3)))
        code.loop(begin, rest, [], add_four, step=4)
        code.loop(rest, end, [], add_one)
        return context.get_dummy_value()

    return emit


# The widths that occur: a tile has 16 to 64 samples in steps of 16, put together from 64, 32 and 16.
sum_of_64, sum_of_32, sum_of_16 = (_row_sum_of(n, is_added=False) for n in (4, 2, 1))
add_64, add_32, add_16 = (_row_sum_of(n, is_added=True) for n in (4, 2, 1))
dots_of_64, dots_of_32, dots_of_16 = (_row_dots_of(n) for n in (4, 2, 1))
