"""Population moments of a linear unit on a one-dimensional Markov chain, without sampling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity_effects import Cavity

_ORDER = 4
_FACTORIALS = np.array([1.0, 1.0, 2.0, 6.0, 24.0])

# Relative to Σ W² Var s: a smaller variance is what rounding leaves of weights that cancel.
_LEAST_VARIANCE = 1e-12

_NO_FIELD = "chain: no field has a probability above 0; look at transitions and initial"


@dataclass(frozen=True, eq=False)
class MarkovChain:
    r"""A distribution of fields (s_1, …, s_n) in which only neighbours interact.

    .. math:: P(s_1, …, s_n) \propto \pi(s_1) \prod_{i<n} T(s_i, s_{i+1}),

    or, on a ring (`wraps`), :math:`\prod_i T(s_i, s_{i+1})` with :math:`s_{n+1} = s_1`.

    Attributes
    ----------
    values : numpy.ndarray of float, (states,)
        The value of a pixel in each state.
    transitions : numpy.ndarray of float, (states, states)
        T ≥ 0. Rows need not add up to 1: ``exp(−energy)`` of a bond will do.
    initial : numpy.ndarray of float, (states,), optional
        π ≥ 0 of an open chain, up to a factor; the same for all states by default.
    wraps : bool
        Whether the last pixel is a neighbour of the first.
    """

    values: np.ndarray
    transitions: np.ndarray
    initial: np.ndarray | None = None
    wraps: bool = False

    def __post_init__(self) -> None:
        for name in ("values", "transitions", "initial"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, np.asarray(given, dtype=np.float64))
        num_states = len(self.values) if self.values.ndim == 1 else 0
        if not num_states or self.transitions.shape != (num_states, num_states):
            raise InputError(
                f"values have shape {self.values.shape} and transitions {self.transitions.shape}; "
                "(states,) and (states, states) are needed"
            )
        if self.initial is not None and (self.wraps or self.initial.shape != (num_states,)):
            raise InputError("initial is for an open chain (wraps = False), with one number a state")
        weights = [self.transitions] if self.initial is None else [self.transitions, self.initial]
        if not np.isfinite(self.values).all() or not all(
            np.isfinite(each).all() and (each >= 0).all() and each.any() for each in weights
        ):
            raise InputError("values must be finite, and transitions and initial at least 0 and not all 0")


def ising_chain(temperature: float, *, wraps: bool = True) -> MarkovChain:
    """Return the chain of spins ±1 with probability ∝ exp(Σ s_i s_{i+1} / T), as the source ``ising`` draws.

    Raises
    ------
    InputError
        If `temperature` is not above 0.
    """
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}; give a number above 0")
    spins = np.array([-1.0, 1.0])
    # relative to the largest, so that low temperatures do not overflow
    return MarkovChain(spins, np.exp((np.outer(spins, spins) - 1) / temperature), wraps=wraps)


@checked()
def exact_cavity_of_chain(weight: Shaped[np.ndarray | Tensor, "out in"], chain: MarkovChain) -> Cavity:
    r"""Compute the population value of `cavity` for inputs that are a Markov chain.

    The moments of λ = Σ_i W_i s_i are the coefficients of its generating function

    .. math:: \langle e^{t \lambda} \rangle = \operatorname{tr} \prod_i D_i(t) T
              \Big/ \operatorname{tr} T^n, \qquad D_i(t) = \operatorname{diag}_s e^{t W_i s},

    with polynomials in t up to t⁴ in place of exponentials (for an open chain, π and a vector of ones in
    place of the trace). Products from the left and from the right give λ without one weight for all weights
    at once, in O(n q³) operations a unit with q states.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        Weight i belongs to pixel i of the chain. Zeros count as pruned.
    chain : MarkovChain
        The distribution of the inputs.

    Returns
    -------
    Cavity
        Without sampling error; undefined values are NaN, as there.

    Raises
    ------
    InputError
        If shapes do not fit, values are not finite, or no field has a probability.

    Notes
    -----
    Transfer matrices are textbook statistical mechanics. That the contraction of a chain with finite memory
    is exact was taken from Bose & Walters, arXiv 2106.12523, whose path integrals are contracted in this way;
    nothing else of that paper is here.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> exact = sparsight.exact_cavity_of_chain(np.ones((1, 8)), sparsight.ising_chain(1.5))
    >>> exact.excess_kurtosis.round(4)
    array([-1.2631])
    """
    numbers = np.asarray(weight.detach().cpu() if isinstance(weight, Tensor) else weight, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise InputError("weight holds values that are not finite")
    size = np.abs(numbers).max(axis=1, keepdims=True)
    scaled = numbers / np.where(size > 0, size, 1)  # κ and γ do not depend on the scale
    sites = _centred_sites(scaled, chain)
    moments, without = _moments(sites, chain)
    return _as_cavity(scaled, moments, without)


def _centred_sites(weight: np.ndarray, chain: MarkovChain) -> np.ndarray:
    """Return e^{t W_i (s − ⟨s_i⟩)} up to t⁴: (pixels, units, states, order)."""
    deviations = chain.values - _means(weight.shape[1], chain)[:, None]
    terms = weight.T[:, :, None] * deviations[:, None, :]
    sites: np.ndarray = terms[..., None] ** np.arange(_ORDER + 1) / _FACTORIALS
    return sites


def _means(num_pixels: int, chain: MarkovChain) -> np.ndarray:
    """Return ⟨s_i⟩ of every pixel."""
    left, right = _products(np.ones((num_pixels, 1, len(chain.values), 1)), chain)
    shares = _joined(left, right)[:, 0, :, 0]
    if not (shares.sum(axis=1) > 0).all():
        raise InputError(_NO_FIELD)
    means: np.ndarray = shares @ chain.values / shares.sum(axis=1)
    return means


def _moments(sites: np.ndarray, chain: MarkovChain) -> tuple[np.ndarray, np.ndarray]:
    """Return E[λᵏ] of every unit, (units, order), and without each pixel, (pixels, units, order)."""
    left, right = _products(sites, chain)
    around = _joined(left, right)  # (pixels, units, states, order): all but the factor of the pixel itself
    without = around.sum(axis=2)
    # With the factor of any pixel the result is the whole product; that of the first is at hand.
    whole = np.stack(
        [
            sum((around[0, ..., a] * sites[0, ..., k - a]).sum(axis=-1) for a in range(k + 1))
            for k in range(_ORDER + 1)
        ],
        axis=-1,
    )
    return whole / whole[..., :1] * _FACTORIALS, without / without[..., :1] * _FACTORIALS


def _products(sites: np.ndarray, chain: MarkovChain) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return, for each pixel, the product of everything before it and of everything after it.

    Each is (units, rows, columns, order): one row for the left end of an open chain and one column for its
    right end, and as many as states on a ring. All are scaled to sizes of about 1.
    """
    num_states = len(chain.values)
    if chain.wraps:
        start = end = np.eye(num_states)
    else:
        start = (np.ones(num_states) if chain.initial is None else chain.initial)[None]
        end = np.ones((num_states, 1))
    left, right = [_constant(start, sites)], [_constant(end, sites)]
    for site in sites[:-1]:
        left.append(_scaled(_times(_columns_times(left[-1], site), chain.transitions)))
    for site in sites[:0:-1]:
        right.append(_scaled(_times(chain.transitions, _rows_times(site, right[-1]))))
    if chain.wraps:  # the bond from the last pixel to the first
        left = [_times(chain.transitions, each) for each in left]
    return left, right[::-1]


def _joined(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """Return the diagonal that the factor of a pixel stands on: (pixels, units, states, order)."""
    joined = []
    for before, after in zip(left, right, strict=True):
        # Σ over the end that both share, of before[·, s] after[s, ·]: a trace on a ring
        coefficients = [
            sum(
                np.einsum("urs,usr->us", before[..., a], after[..., k - a])
                for a in range(before.shape[-1])
                if 0 <= k - a < after.shape[-1]
            )
            for k in range(before.shape[-1])
        ]
        joined.append(np.stack(coefficients, axis=-1))
    return np.stack(joined)


def _constant(matrix: np.ndarray, sites: np.ndarray) -> np.ndarray:
    polynomials = np.zeros((sites.shape[1], *matrix.shape, sites.shape[-1]))
    polynomials[..., 0] = matrix
    return polynomials


def _columns_times(matrices: np.ndarray, site: np.ndarray) -> np.ndarray:
    return _polynomial_product(matrices, site[:, None, :, :])


def _rows_times(site: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    return _polynomial_product(site[:, :, None, :], matrices)


def _polynomial_product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multiply polynomials whose coefficients are on the last axis, without terms beyond the last."""
    num_terms = first.shape[-1]
    terms: list[Any] = [
        sum(first[..., a] * second[..., k - a] for a in range(k + 1)) for k in range(num_terms)
    ]
    return np.stack(terms, axis=-1)


def _times(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multiply by the transitions from the left or from the right."""
    indices = "rs,usck->urck" if first.ndim == 2 else "ursk,sc->urck"
    product: np.ndarray = np.einsum(indices, first, second)
    return product


def _scaled(matrices: np.ndarray) -> np.ndarray:
    size = matrices[..., 0].max(axis=(1, 2), keepdims=True)[..., None]
    if not (size > 0).all():
        raise InputError(_NO_FIELD)
    scaled: np.ndarray = matrices / size
    return scaled


def _as_cavity(weight: np.ndarray, moments: np.ndarray, without: np.ndarray) -> Cavity:
    variance, skewness, kurtosis = _statistics(moments, (weight**2).sum(axis=1))
    least = np.broadcast_to((weight**2).sum(axis=1), without.shape[:2])
    lone_variance, lone_skewness, lone_kurtosis = (each.T for each in _statistics(without, least))
    is_kept = weight != 0

    def effect(whole: np.ndarray, lone: np.ndarray) -> np.ndarray:
        return np.where(is_kept, whole[:, None] - lone, 0.0)

    def negentropy(skewness: np.ndarray, kurtosis: np.ndarray) -> np.ndarray:
        return np.asarray(skewness**2 / 12 + kurtosis**2 / 48)

    # whether a value is undefined is the same in all maps
    delta_kurtosis = effect(kurtosis, lone_kurtosis)
    is_undefined = np.isnan(delta_kurtosis)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(is_kept, lone_variance / variance[:, None], 1.0)
    return Cavity(
        delta_kurtosis=delta_kurtosis,
        delta_abs_kurtosis=effect(np.abs(kurtosis), np.abs(lone_kurtosis)),
        delta_skewness=effect(skewness, lone_skewness),
        delta_negentropy=effect(negentropy(skewness, kurtosis), negentropy(lone_skewness, lone_kurtosis)),
        variance_ratio=np.where(is_undefined, np.nan, ratio),
        excess_kurtosis=kurtosis,
        skewness=skewness,
        num_undefined=int(is_undefined.sum()),
    )


def _statistics(moments: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return variance, skewness and excess kurtosis from moments about (nearly) the mean."""
    m1, m2, m3, m4 = (moments[..., k] for k in range(1, _ORDER + 1))
    variance = m2 - m1**2
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    varies = np.where(variance > _LEAST_VARIANCE * size, variance, np.nan)
    return variance, third / varies**1.5, fourth / varies**2 - 3
