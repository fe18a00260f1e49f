"""Null models of masks and maps: the moments of pair sums in closed form, and random draws."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure._curveball import trade
from sparsight.measure._pair_counts import pairs_of_pixel
from sparsight.streams import generator

Null = Literal["uniform", "fan_in", "configuration"]

ROUNDS_TO_MIX = 16
"""Rounds of trades before the first draw; in a round every unit trades once.

Two inputs of a unit stay together through a round with probability ½, so every round halves what is left of
the start. Measurements agree: for patches of 16 to 256 units, 144 and 3072 inputs and density 0.01 to 0.4,
the excess of near pairs over its plateau, 50 to 630 standard deviations at the start, about halves in each of
the first rounds and is under 1 after 10; the overlap with the start behaves alike. 16 rounds leave 2⁻¹⁶.
"""
ROUNDS_BETWEEN = 4
"""Rounds between draws: successive draws have a correlation of 2⁻⁴."""

_ROWS_PER_BLOCK = 16  # bounds the float64 temporaries of a map


@dataclass(frozen=True, eq=False)
class PairStatistic:
    """Properties of a sum X = Σ_{i≠j} a_ij w_i w_j over pairs of inputs that fix its mean and variance.

    Here a_ij = K^sc(d_ij) for two inputs of the same channel, and K^dc(d_ij) otherwise. They are the `total`
    Σ_{i≠j} a_ij, the `squares` Σ_{i≠j} a_ij² and the `row_sums` Σ_{j≠i} a_ij, (in,).
    """

    total: float
    squares: float
    row_sums: np.ndarray


@checked()
def pair_statistic(
    same_channel: Shaped[np.ndarray, "..."], different_channel: Shaped[np.ndarray, "..."], geometry: Geometry
) -> PairStatistic:
    """Return the `PairStatistic` of two even functions of displacement, K^sc and K^dc."""

    def sums_of_inputs(same: np.ndarray, different: np.ndarray) -> np.ndarray:
        # K(0) of a channel is the pixel with itself, which is not a pair; of another channel it is one.
        of_pixel = pairs_of_pixel(same, geometry) - same[geometry.centre]
        of_pixel += (geometry.channels - 1) * pairs_of_pixel(different, geometry)
        return np.tile(of_pixel, geometry.channels)

    same, different = same_channel.astype(np.float64), different_channel.astype(np.float64)
    row_sums = sums_of_inputs(same, different)
    return PairStatistic(float(row_sums.sum()), float(sums_of_inputs(same**2, different**2).sum()), row_sums)


@dataclass(frozen=True, eq=False)
class ValueMoments:
    """Contribution of M values w, zeros included, to the moments of X when they are permuted at random.

    One entry for each set of values: each unit of a layer under ``fan_in``, the whole layer under
    ``uniform``.

    * `products`: Σ_{i≠j} w_i w_j.
    * `linear`: Σ(v − v̄)² / (M − 1) with v_i = w_i (Σw − w_i).
    * `quadratic`: E[w_i² w_j²] − 2 E[w_i² w_j w_k] + E[w_i w_j w_k w_l] over distinct places.
    """

    num_places: int
    products: np.ndarray
    linear: np.ndarray
    quadratic: np.ndarray


@checked(finite=("weights",))
def value_moments(weights: Shaped[np.ndarray, "out in"], null: Literal["uniform", "fan_in"]) -> ValueMoments:
    """Return the `ValueMoments` of each unit (``fan_in``), or of the whole layer (``uniform``).

    Weights are a mask or a map: bool or not negative.
    """
    if null not in ("uniform", "fan_in"):
        raise InputError(f"null is {null!r}; 'uniform' and 'fan_in' are allowed")
    rows = weights if null == "fan_in" else weights.reshape(1, -1)
    if weights.dtype == np.bool_:
        return _moments_of_counts(rows.sum(axis=1, dtype=np.float64), rows.shape[1])
    blocks = [
        _moments_of_values(rows[start : start + _ROWS_PER_BLOCK].astype(np.float64))
        for start in range(0, len(rows), _ROWS_PER_BLOCK)
    ]
    products, linear, quadratic = np.concatenate([np.zeros((3, 0)), *blocks], axis=1)
    return ValueMoments(rows.shape[1], products, linear, quadratic)


def _moments_of_counts(kept: np.ndarray, num_places: int) -> ValueMoments:
    """Return the moments of `kept` ones among zeros, by falling factorials: without any cancellation."""
    products = kept * (kept - 1)
    linear = (kept - 1) ** 2 * kept * (num_places - kept) / max(num_places * (num_places - 1), 1)
    quadratic = products * (num_places - kept) * (num_places - kept - 1)
    falling = num_places * (num_places - 1) * (num_places - 2) * (num_places - 3)
    return ValueMoments(num_places, products, linear, quadratic / falling if falling > 0 else 0 * kept)


def _moments_of_values(values: np.ndarray) -> np.ndarray:
    """Return products, linear and quadratic of each row, (3, row)."""
    number = values.shape[1]
    totals = values.sum(axis=1, keepdims=True)
    products = totals[:, 0] ** 2 - np.square(values).sum(axis=1)
    linear = (values * (totals - values)).var(axis=1) * number / max(number - 1, 1)
    if number < 4:
        return np.stack([products, linear, np.zeros(len(values))])
    pairs = float(number) * (number - 1)
    triples, quadruples = pairs * (number - 2), pairs * (number - 2) * (number - 3)
    # This combination does not depend on the mean of the values. Centred values sum to 0, so sums over
    # distinct places reduce to power sums; uncentred ones would cancel to a fraction of their size.
    squares = np.square(values - totals / number)
    second, fourth = squares.sum(axis=1), np.square(squares).sum(axis=1)
    quadratic = (
        (second**2 - fourth) / pairs
        - 2 * (2 * fourth - second**2) / triples
        + (3 * second**2 - 6 * fourth) / quadruples
    )
    return np.stack([products, linear, np.maximum(quadratic, 0.0)])


def expected_products(moments: ValueMoments) -> float:
    """Return Σ over units of E[w_i w_j] for two given inputs; times A(d) it is the expected S(d).

    For masks with U units, k_u kept of N inputs in unit u, and K = Σ k_u, under ``fan_in`` it is
    Σ_u k_u (k_u − 1) / (N (N − 1)). Under ``uniform`` it is K (K − 1) / (U N (U N − 1)) for *one* unit;
    multiply by U for the layer.
    """
    return float(moments.products.sum() / max(moments.num_places * (moments.num_places - 1), 1))


def variance(statistic: PairStatistic, moments: ValueMoments) -> float:
    """Return the exact variance of Σ_units Σ_{i≠j} a_ij w_i w_j under random permutation of the values.

    Split a_ij = ā + b_i + b_j + c_ij with Σ_i b_i = 0 and Σ_j c_ij = 0. The term of ā is constant, those of
    b and c are uncorrelated, and with `ValueMoments` over M places

        Var X = 4 Σ b² · linear + 2 Σ c² · quadratic

    (Hoeffding's variance of a linear permutation statistic, and its counterpart of second order). If a set
    is the whole layer, a_ij = 0 for inputs of different units.
    """
    num_places = moments.num_places
    copies = num_places // len(statistic.row_sums)  # units in one set of places: 1, or all of the layer
    if num_places < 3:
        return 0.0
    mean = copies * statistic.total / (num_places * (num_places - 1))
    linear = (statistic.row_sums - (num_places - 1) * mean) / (num_places - 2)
    linear_squares = copies * float((linear**2).sum())
    remaining = copies * statistic.squares - num_places * (num_places - 1) * mean**2
    # Σ c² as a difference of squares may come out below 0 by rounding
    remaining = max(remaining - 2 * (num_places - 2) * linear_squares, 0.0)
    return float(4 * linear_squares * moments.linear.sum() + 2 * remaining * moments.quadratic.sum())


@checked(finite=("weights",))
def sample_masks(
    weights: Shaped[np.ndarray, "out in"], null: Null, num_samples: int, seed: int
) -> Iterator[Shaped[np.ndarray, "out in"]]:
    """Draw random masks or maps of the same shape and number of kept weights.

    Parameters
    ----------
    weights : numpy.ndarray of bool or non-negative numbers, (out, in)
        A mask; or a map, whose values move together with the places that are kept (not 0).
    null : {"uniform", "fan_in", "configuration"}
        What is preserved beyond that: nothing; the values of each unit; these and the number of units that
        keep each input.
    num_samples : int
        Number of draws, 0 or more.

    Yields
    ------
    numpy.ndarray of the same dtype, (out, in)
        For ``configuration`` from one chain of trades: the first after `ROUNDS_TO_MIX` rounds, the others
        `ROUNDS_BETWEEN` apart, each with the unit's values in random order on its places.
    """
    if null not in ("uniform", "fan_in", "configuration"):
        raise InputError(f"null is {null!r}; 'uniform', 'fan_in' and 'configuration' are allowed")
    if num_samples < 0:
        raise InputError(f"num_samples is {num_samples}; 0 or more is allowed")
    stream = generator(seed, "null masks", null)
    # a stream of its own, so that a map and its mask get the same places
    order = generator(seed, "null masks", null, "order of values")
    kept = weights if weights.dtype == np.bool_ else weights > 0
    for index in range(num_samples):
        if null == "uniform":
            yield stream.permutation(weights.reshape(-1)).reshape(weights.shape)
        elif null == "fan_in":
            yield stream.permuted(weights, axis=1)
        else:
            kept = trade(kept, ROUNDS_BETWEEN if index else ROUNDS_TO_MIX, stream)
            yield kept if weights.dtype == np.bool_ else _values_on(kept, weights, order)


def _values_on(kept: np.ndarray, weights: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Put the positive values of each unit on its kept places, in random order."""
    units, inputs = np.nonzero(weights > 0)
    values = weights[units, inputs]
    drawn = np.zeros_like(weights)
    drawn[kept] = values[np.lexsort((stream.random(len(units)), units))]
    return drawn
