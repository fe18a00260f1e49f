"""Bounds carried through a chain: intervals, linear functions forward, and linear functions backward."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparsight.measure._activation_lines import Lines, LinesOfUnits, Norm, Range, dual_norm, lines_of
from sparsight.measure._chain import Chain

Method = Literal["interval", "linear", "crown_interval", "crown_linear", "crown"]
Affine = tuple[np.ndarray, np.ndarray]
"""Weight and bias of an affine function: (m, units) and (m,), or with samples as a first axis."""

_BLOCK_NUMBERS = 2**22  # float64 in the largest array of a block of samples: 32 MiB


@dataclass(frozen=True, eq=False)
class Ball:
    """Inputs (n, in), and the radius of the ball around each, (n,)."""

    inputs: np.ndarray
    radii: np.ndarray
    norm: Norm

    def __getitem__(self, rows: slice) -> "Ball":
        return Ball(self.inputs[rows], self.radii[rows], self.norm)

    def lowest(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return the least value of weight · x + bias in the ball: (n, m)."""
        found = _product(weight, self.inputs) + bias - self.radii[:, None] * dual_norm(weight, self.norm)
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class LinearBounds:
    """Linear functions of the input below and above the units of a layer.

    Slopes are (units, in), shared by all samples and both sides, or (n, units, in); offsets (n, units).
    """

    lower_slope: np.ndarray
    lower_offset: np.ndarray
    upper_slope: np.ndarray
    upper_offset: np.ndarray

    def range_in(self, ball: Ball) -> Range:
        """Return the range of each unit."""
        if self.lower_slope is self.upper_slope and self.lower_offset is self.upper_offset:
            middle = _product(self.lower_slope, ball.inputs) + self.lower_offset
            half = ball.radii[:, None] * dual_norm(self.lower_slope, ball.norm)
            return Range(middle - half, middle + half)
        lower = ball.lowest(self.lower_slope, self.lower_offset)
        return Range(lower, -ball.lowest(-self.upper_slope, -self.upper_offset))

    def below(self, at: LinesOfUnits, affine: Affine) -> Affine:
        """Return a linear function of the input below an affine function of the activations."""
        weight, bias = affine
        positive, negative = _parts(weight)
        from_lower = positive * at.lower_slope[:, None]
        from_upper = negative * at.upper_slope[:, None]
        offset = bias + _product(positive, at.lower_offset) + _product(negative, at.upper_offset)
        offset = offset + _product(from_lower, self.lower_offset) + _product(from_upper, self.upper_offset)
        if self.lower_slope is self.upper_slope:  # both sides of the first layer are the layer itself
            return (from_lower + from_upper) @ self.lower_slope, offset
        return from_lower @ self.lower_slope + from_upper @ self.upper_slope, offset


@dataclass(frozen=True, eq=False, kw_only=True)
class Propagation:
    """What a method knows of the hidden layers of a chain, for a block of samples.

    `ranges` are those of the pre-activations of each hidden layer; `last` holds the linear bounds of the last
    one if `method` is ``linear``.
    """

    chain: Chain
    ball: Ball
    method: Method
    lines: Lines
    ranges: list[Range]
    last: LinearBounds | None = None

    def lowest(self, affine: Affine) -> np.ndarray:
        """Return a lower bound, (n, m), of an affine function of the last hidden activations."""
        if not self.ranges:
            return self.ball.lowest(*affine)
        if self.method == "interval":
            return self._lowest_of_intervals(*affine)
        if self.last is not None:
            activation = self.chain.activations[len(self.ranges) - 1]
            at = lines_of(activation, self.ranges[-1], self.lines)
            return self.ball.lowest(*self.last.below(at, affine))
        return self._lowest_backward(*affine)

    def range_of(self, affine: Affine) -> Range:
        """Return bounds of an affine function of the last hidden activations."""
        weight, bias = affine
        return Range(self.lowest((weight, bias)), -self.lowest((-weight, -bias)))

    def _lowest_of_intervals(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        last = self.ranges[-1].activated(self.chain.activations[len(self.ranges) - 1])
        middle, half = (last.lower + last.upper) / 2, (last.upper - last.lower) / 2
        return np.asarray(_product(weight, middle) - _product(np.abs(weight), half) + bias)

    def _lowest_backward(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        for layer in reversed(range(len(self.ranges))):
            at = lines_of(self.chain.activations[layer], self.ranges[layer], self.lines)
            positive, negative = _parts(weight)
            bias = bias + _product(positive, at.lower_offset) + _product(negative, at.upper_offset)
            weight = positive * at.lower_slope[:, None] + negative * at.upper_slope[:, None]
            bias = bias + weight @ self.chain.biases[layer]
            weight = weight @ self.chain.weights[layer]
        return self.ball.lowest(weight, bias)


def propagate(chain: Chain, ball: Ball, method: Method, lines: Lines) -> Iterator[tuple[slice, Propagation]]:
    """Carry bounds up to the last hidden layer, in blocks of samples; yield their rows and what was found."""
    widths = [len(weight) for weight in chain.weights]
    step = max(1, _BLOCK_NUMBERS // (max(widths) * max(chain.num_inputs, *widths)))
    for start in range(0, len(ball.inputs), step):
        rows = slice(start, start + step)
        yield rows, _hidden(chain, ball[rows], method, lines)


def _hidden(chain: Chain, ball: Ball, method: Method, lines: Lines) -> Propagation:
    hidden = list(zip(chain.weights[:-1], chain.biases[:-1], strict=True))
    last: LinearBounds | None = None
    if method in ("linear", "crown_linear"):
        ranges = []
        for last in _linear_bounds(chain, ball, lines):
            ranges.append(last.range_in(ball))
    else:
        own: Method = "crown" if method == "crown" else "interval"
        ranges = []
        for affine in hidden:
            so_far = Propagation(chain=chain, ball=ball, method=own, lines=lines, ranges=ranges)
            ranges = [*ranges, so_far.range_of(affine)]
    return Propagation(
        chain=chain,
        ball=ball,
        method=method,
        lines=lines,
        ranges=ranges,
        last=last if method == "linear" else None,
    )


def _linear_bounds(chain: Chain, ball: Ball, lines: Lines) -> Iterator[LinearBounds]:
    """Yield linear bounds of the pre-activations of each hidden layer."""
    bounds: LinearBounds | None = None
    for layer, (weight, bias) in enumerate(zip(chain.weights[:-1], chain.biases[:-1], strict=True)):
        if bounds is None:
            of_all = np.broadcast_to(bias, (len(ball.inputs), len(bias)))
            bounds = LinearBounds(weight, of_all, weight, of_all)
        else:
            at = lines_of(chain.activations[layer - 1], bounds.range_in(ball), lines)
            slope, offset = bounds.below(at, (-weight, -bias))
            bounds = LinearBounds(*bounds.below(at, (weight, bias)), -slope, -offset)
        yield bounds


def _parts(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(weight, 0.0), np.minimum(weight, 0.0)


def _product(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return weight · values for each sample: (m, units) or (n, m, units) with (n, units) → (n, m)."""
    if weight.ndim == 2:
        return np.asarray(values @ weight.T)
    return np.asarray((weight @ values[..., None])[..., 0])
