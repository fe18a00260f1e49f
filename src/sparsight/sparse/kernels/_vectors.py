"""Vectors of 16 samples in LLVM's intermediate language: what the compiled loops are put together from.

An *intrinsic* is a function whose code numba inserts where it is called. Its author writes that code through
llvmlite; `VectorCode` is the vocabulary. A vector holds 16 samples of either dtype; LLVM cuts it into
registers of the processor (two of AVX2 for float32, one of AVX-512).
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
"""Samples of a vector; every width of a tile is a multiple."""

# Sums may be taken in another order and products be fused with additions; NaN and infinity keep IEEE
# semantics, because a diverging loss must be seen ("nnan" and "ninf" are not set).
ANY_ORDER = ("reassoc", "contract", "nsz")
IN_ORDER = ("contract", "nsz")
INT = ir.IntType(64)


class VectorCode:
    """Building blocks of an intrinsic: arrays as pointers, vectors in and out of memory, loops.

    The first argument of the intrinsic is an array whose dtype is that of the vectors.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.signature, self.arguments = signature, arguments
        self.scalar = context.get_value_type(signature.args[0].dtype)
        self.vector = ir.VectorType(self.scalar, LANES)
        self.scalar_bytes = context.get_abi_sizeof(self.scalar)
        self.is_single = self.scalar_bytes == 4

    def numbers(self, position: int, count: int) -> list[Any]:
        """Return the numbers of a tuple among the arguments."""
        found: list[Any] = cgutils.unpack_tuple(self.builder, self.arguments[position], count)  # type: ignore[no-untyped-call]
        return found

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
        return self.builder.add(index, INT(number))

    def column(self, columns: Any, j: Any) -> Any:
        return self.builder.sext(self.item(columns, j), INT)

    def spread(self, number: Any, count: int = LANES) -> Any:
        """Return a vector with the same number in every lane."""
        nothing = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), count), None)
        return self.builder.shuffle_vector(first, nothing, everywhere)

    def multiply_add(self, total: Any, a: Any, b: Any, flags: Sequence[str] = ANY_ORDER) -> Any:
        return self.builder.fadd(total, self.builder.fmul(a, b, flags=flags), flags=flags)

    def sum_of(self, vector: Any) -> Any:
        suffix = "f32" if self.scalar_bytes == 4 else "f64"
        kind = ir.FunctionType(self.scalar, [self.scalar, self.vector])
        reduce = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            self.builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}{suffix}"
        )
        return self.builder.call(reduce, [self.scalar(0.0), vector], fastmath=ANY_ORDER)

    def sums_of(self, four: list[Any]) -> Any:
        """Return the sums of four vectors as a vector of four.

        Summing each vector alone halves it four times and uses fewer lanes each time. Folding pairs of
        vectors into one first keeps all lanes busy, in a third of the steps.
        """
        quarters = range(0, LANES, 4)
        evens = range(0, LANES, 2)
        first, second = (self.crossed(a, b, evens, [0, LANES]) for a, b in (four[:2], four[2:]))
        total = self.crossed(first, second, quarters, [0, 1, LANES, LANES + 1])
        while total.type.count > 4:
            half = total.type.count // 2
            low, high = (self.lanes(total, total, range(at, at + half)) for at in (0, half))
            total = self.builder.fadd(low, high, flags=ANY_ORDER)
        return total

    def crossed(self, a: Any, b: Any, starts: Sequence[int], pattern: Sequence[int]) -> Any:
        """Add neighbouring lanes within `a` and within `b`; the sums alternate in each block."""
        step = len(pattern) // 2
        low = [start + lane for start in starts for lane in pattern]
        high = [lane + step for lane in low]
        return self.builder.fadd(self.lanes(a, b, low), self.lanes(a, b, high), flags=ANY_ORDER)

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
        j = builder.phi(INT)
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

    def store(self, value: Any, base: Any, index: Any) -> None:
        self.builder.store(value, self.vector_at(base, index), align=self.scalar_bytes)

    def rectified(self, value: Any) -> Any:
        """Return the ReLU of a number or vector. NaN passes, so that divergence is seen."""
        zero = ir.Constant(value.type, None)
        is_negative = self.builder.fcmp_ordered("<", value, zero)
        return self.builder.select(is_negative, zero, value)
