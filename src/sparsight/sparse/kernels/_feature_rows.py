"""Loops over the samples of one feature in a tile: BatchNorm and ReLU, moments, and sums.

They are intrinsics (see `sparsight.sparse.kernels._vectors`). A row of a tile has 16 to 64 samples, and a
plain loop over so few spent most of its time on finding out how many there are: a whole pass over 1000
samples of 1024 features took three times as long.

Rows begin at a flat index of an array in C order, and have a multiple of 16 samples.

numba's cache does not notice changes in this file: after a change, delete the ``__pycache__`` beside it.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sparsight.sparse._tiles import NO_RELU, RELU_FIRST, RELU_LAST
from sparsight.sparse.kernels._vectors import ANY_ORDER, IN_ORDER, INT, LANES, VectorCode

FOUR = 4
"""Rows whose moments are taken together: their sums over lanes share their steps."""

_LANE = ir.IntType(32)


def _standardised_of(relu: int) -> Any:
    """Make ``standardised(inputs, source, num_samples, (centre, scale, shift), piece, target)``.

    It stores ``(x − centre) · scale + shift`` for `num_samples` numbers x, with the ReLU before, after, or
    not at all.
    """

    @intrinsic
    def standardised(_, inputs, source, num_samples, affine, piece, target):  # type: ignore[no-untyped-def]
        triple = types.UniTuple(inputs.dtype, 3)  # type: ignore[no-untyped-call]
        signature = types.void(inputs, types.int64, types.int64, triple, piece, types.int64)
        return signature, _standardised_code(relu)

    return standardised


def _standardised_code(relu: int) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = VectorCode(context, builder, signature, arguments)
        inputs, piece = code.data(0), code.data(4)
        source, num_samples, target = arguments[1], arguments[2], arguments[5]
        centre, scale, shift = (code.spread(number) for number in code.numbers(3, 3))

        def one_vector(n: Any, _: list[Any]) -> list[Any]:
            x = code.load(inputs, builder.add(source, n))
            x = code.rectified(x) if relu == RELU_FIRST else x
            value = code.multiply_add(shift, builder.fsub(x, centre), scale, flags=IN_ORDER)
            value = code.rectified(value) if relu == RELU_LAST else value
            code.store(value, piece, builder.add(target, n))
            return []

        code.loop(INT(0), num_samples, [], one_vector, step=LANES)
        return context.get_dummy_value()

    return emit


def _moments_of(relu: int) -> Any:
    """Make ``moments_of_four(inputs, source, stride, num_samples, moments, (mean, square))``.

    It stores the means of four rows, `stride` apart, and the sums of squares about them, at two flat indices
    of `moments`, float64; those of the rectified rows with the ReLU first.
    """

    @intrinsic
    def moments_of_four(_, inputs, source, stride, num_samples, moments, places):  # type: ignore[no-untyped-def]
        pair = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]
        signature = types.void(inputs, types.int64, types.int64, types.int64, moments, pair)
        return signature, _moments_code(relu)

    return moments_of_four


def _moments_code(relu: int) -> Callable[..., Any]:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = VectorCode(context, builder, signature, arguments)
        inputs, moments = code.data(0), code.data(4)
        source, stride, num_samples = arguments[1:4]
        mean_place, square_place = code.numbers(5, 2)
        rows = [builder.add(source, builder.mul(stride, INT(u))) for u in range(FOUR)]

        def read(value: Any) -> Any:
            return code.rectified(value) if relu == RELU_FIRST else value

        def sums_about(centres: Any, term: Callable[[Any], Any]) -> Any:
            """Return Σ term(x − centre) of each row; differences stay in the dtype of the inputs."""
            about = [code.spread(builder.extract_element(centres, _LANE(u))) for u in range(FOUR)]

            def add(n: Any, totals: list[Any]) -> list[Any]:
                found = (read(code.load(inputs, builder.add(row, n))) for row in rows)
                terms = (term(builder.fsub(x, centre)) for x, centre in zip(found, about, strict=True))
                return [builder.fadd(*pair, flags=IN_ORDER) for pair in zip(totals, terms, strict=True)]

            totals = code.loop(INT(0), num_samples, [ir.Constant(code.vector, None)] * FOUR, add, step=LANES)
            return builder.fpext(code.sums_of(totals), doubles) if code.is_single else code.sums_of(totals)

        # Differences from the first sample: those of a constant feature are 0, so its mean is exactly its
        # value, and its sum of squares exactly 0.
        doubles, singles = (ir.VectorType(kind, FOUR) for kind in (ir.DoubleType(), code.scalar))
        first = ir.Constant(singles, ir.Undefined)
        for u, row in enumerate(rows):
            first = builder.insert_element(first, code.item(inputs, row), _LANE(u))
        first = read(first)
        count = builder.sitofp(num_samples, ir.DoubleType())
        counts = code.spread(count, FOUR)
        excess = builder.fdiv(sums_about(first, lambda difference: difference), counts)
        mean = builder.fadd(builder.fpext(first, doubles) if code.is_single else first, excess)
        # The mean is rounded to the dtype of the inputs. Σ(x − c)² about the rounded mean c exceeds that
        # about the mean m by count · (m − c)².
        rounded = builder.fptrunc(mean, singles) if code.is_single else mean
        square = sums_about(rounded, lambda difference: builder.fmul(difference, difference))
        error = builder.fsub(mean, builder.fpext(rounded, doubles) if code.is_single else rounded)
        correction = builder.fmul(counts, builder.fmul(error, error))
        for value, place in (
            (mean, mean_place),
            (code.rectified(builder.fsub(square, correction)), square_place),
        ):
            target = builder.bitcast(builder.gep(moments, [place]), doubles.as_pointer())
            builder.store(value, target, align=8)
        return context.get_dummy_value()

    return emit


def _typed_total(_, inputs, source, num_samples):  # type: ignore[no-untyped-def]
    """Return the sum of a row of `inputs` that begins at `source`."""
    return inputs.dtype(inputs, types.int64, types.int64), _row_total_code


def _row_total_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = VectorCode(context, builder, signature, arguments)
    inputs, (source, num_samples) = code.data(0), arguments[1:]

    def add(n: Any, totals: list[Any]) -> list[Any]:
        x = code.load(inputs, builder.add(source, n))
        return [builder.fadd(totals[0], x, flags=ANY_ORDER)]

    (total,) = code.loop(INT(0), num_samples, [ir.Constant(code.vector, None)], add, step=LANES)
    return code.sum_of(total)


row_total: Any = intrinsic(_typed_total)
standardised, standardised_after_relu, standardised_before_relu = (
    _standardised_of(relu) for relu in (NO_RELU, RELU_FIRST, RELU_LAST)
)
moments_of_four, moments_of_four_rectified = (_moments_of(relu) for relu in (NO_RELU, RELU_FIRST))
