"""Fields of lattice physics on a torus: the Ising model and φ⁴, sampled with cluster flips."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from jaxtyping import Float32
from pydantic import Field

from sparsight.data.fields._field_source import FieldClasses, Lengths, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler
from sparsight.errors import InputError

_Sweeps = Annotated[int, Field(ge=1)]


def ising_sampler(size: Sequence[int], temperature: float, num_sweeps: int = 40) -> Sampler:
    r"""Return a sampler of spins s = ±1 with probability ∝ exp(Σ s_i s_j / T) over neighbours, on a torus.

    By symmetry spins have mean 0, variance 1 and excess kurtosis −2. Every field is the last state of its own
    Markov chain of `num_sweeps` Swendsen–Wang sweeps from random spins (Phys. Rev. Lett. 58 (1987) 86). A
    ring (1-D) is drawn exactly instead, from independent domain walls conditioned on an even number. T is in
    units of the coupling. The critical temperature in 2-D is :math:`2 / \ln(1 + \sqrt 2) = 2.269`; there, on
    32x32 spins, the energy forgets its start within about five sweeps.
    """
    size = _lattice(size)
    if not temperature > 0:
        raise InputError(f"temperature is {temperature}; give a number above 0")
    bond = 1 / temperature

    def sample(rng: np.random.Generator, num_samples: int) -> Float32[np.ndarray, "samples *size"]:
        if len(size) == 1:
            return _ising_rings(rng, num_samples, size[0], bond)
        spins = _random_signs(rng, (num_samples, *size))
        for _ in range(num_sweeps):
            spins = _flip_clusters(rng, spins, bond)
        return spins

    return sample


def phi4_sampler(size: Sequence[int], hopping: float, quartic: float, num_sweeps: int = 40) -> Sampler:
    r"""Return a sampler of the lattice φ⁴ field on a torus, with probability ∝ exp(−S).

    .. math:: S = \sum_i \bigl[\varphi_i^2 + \lambda (\varphi_i^2 - 1)^2\bigr]
                  - 2 \kappa \sum_{\langle ij \rangle} \varphi_i \varphi_j

    λ = 0 (`quartic`) is a Gaussian field, for which κ (`hopping`) must be below 1 / (2 · number of axes); λ →
    ∞ is the Ising model at T = 1 / (2κ). Pixels have mean 0 and a variance that depends on κ and λ. Every
    field is the last state of its own Markov chain; a sweep flips the signs of clusters and then moves every
    value by four checkerboard Metropolis steps, so extents must be even.

    Sources: Montvay, Münster, Quantum Fields on a Lattice (1994), eq. 2.6; cluster flips: Brower, Tamayo,
    Phys. Rev. Lett. 62 (1989) 1087.
    """
    size = _lattice(size)
    if any(extent % 2 for extent in size):
        raise InputError(f"size is {size}; φ⁴ is updated as a checkerboard and needs even extents")
    if not (hopping >= 0 and quartic >= 0):
        raise InputError(f"hopping is {hopping} and quartic is {quartic}; both must be at least 0")
    if quartic == 0 and hopping * 2 * len(size) >= 1:
        raise InputError(
            f"hopping is {hopping}; without a quartic term it must be below {1 / (2 * len(size))}"
        )
    # Pixels of one colour of the checkerboard are not neighbours, so that all can move at once. An odd ring
    # would have two neighbours of one colour.
    colour = np.indices(size).sum(axis=0) % 2
    step = 1.5 / np.sqrt(1 + quartic**0.5)  # accepts about half of the moves from λ = 0 to λ = 10

    def sample(rng: np.random.Generator, num_samples: int) -> Float32[np.ndarray, "samples *size"]:
        field = rng.standard_normal((num_samples, *size), dtype=np.float32)
        for _ in range(num_sweeps):
            # At fixed |φ| the signs are an Ising model with couplings 2κ |φ_i φ_j|. Metropolis steps alone
            # would take very long to turn a whole domain where |φ| is far from 0.
            field = np.abs(field) * _flip_clusters(rng, field, 2 * hopping)
            for parity in (0, 1) * 4:
                _metropolis_(rng, field, colour == parity, hopping=hopping, quartic=quartic, step=step)
        return field

    return sample


@field_source("ising", num_train=4000, num_test=1000)
def ising(
    *, size: Size = (16, 16), temperatures: Lengths = (2.4, 4.0), num_sweeps: _Sweeps = 40
) -> FieldClasses:
    """Make the task of telling Ising spins apart by temperature.

    Pixels are ±1 with mean 0: excess kurtosis −2. The covariance has no closed form in 2-D; the Gaussian
    twin is fitted to the training split. Other parameters are those of `nlgp`, except that `num_train` and
    `num_test` are 4000 and 1000 by default, and opposite borders always touch.

    Parameters
    ----------
    size : sequence of int
        Each extent at least 3.
    temperatures : sequence of float
        T of each class, in units of the coupling; T_c = 2.269 in 2-D.
    num_sweeps : int
        Length of the Markov chain behind each field; not used in 1-D.

    Raises
    ------
    InputError
        If there are fewer than two temperatures, or an argument is out of range.
    """
    return FieldClasses(
        [ising_sampler(size, temperature, num_sweeps) for temperature in temperatures],
        {
            "source": "Ising spins on a torus, Swendsen–Wang",
            "temperature_per_class": list(temperatures),
            "pixel_excess_kurtosis_per_class": [-2.0 for _ in temperatures],
        },
    )


@field_source("phi4", num_train=4000, num_test=1000)
def phi4(
    *,
    size: Size = (16, 16),
    hoppings: Annotated[Sequence[Annotated[float, Field(ge=0)]], Field(min_length=1)] = (0.1, 0.2),
    quartic: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5,
    num_sweeps: _Sweeps = 40,
) -> FieldClasses:
    """Make the task of telling lattice φ⁴ fields apart by their coupling.

    Pixels are not rescaled: they have mean 0 and a variance of order 1 that depends on the coupling.
    Excess kurtosis runs from 0 (λ = 0) to −2 (λ → ∞). The Gaussian twin is fitted to the training split.
    Other parameters are those of `ising`.

    Parameters
    ----------
    size : sequence of int
        Each extent even and at least 4.
    hoppings : sequence of float
        κ of each class.
    quartic : float
        λ, the same for all classes.
    num_sweeps : int
        Length of the Markov chain behind each field.

    Raises
    ------
    InputError
        If there are fewer than two couplings, or an argument is out of range.
    """
    return FieldClasses(
        [phi4_sampler(size, hopping, quartic, num_sweeps) for hopping in hoppings],
        {"source": "lattice φ⁴ on a torus", "hopping_per_class": list(hoppings), "quartic": quartic},
    )


def _lattice(size: Sequence[int]) -> tuple[int, ...]:
    size = tuple(int(extent) for extent in size)
    if len(size) not in (1, 2) or min(size) < 3:
        raise InputError(f"size is {size}; give (length,) or (height, width), each at least 3")
    return size


def _random_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    signs: np.ndarray = rng.integers(0, 2, shape, dtype=np.int8).astype(np.float32) * 2 - 1
    return signs


def _ising_rings(rng: np.random.Generator, num_samples: int, length: int, bond: float) -> np.ndarray:
    """Return rings drawn exactly, by way of their domain walls."""
    # On an open chain walls are independent. A ring closes only if their number is even: reject the others.
    wall_probability = 1 / (1 + np.exp(2 * bond))
    walls = np.zeros((num_samples, length), dtype=bool)
    missing = np.arange(num_samples)
    while len(missing):
        walls[missing] = rng.random((len(missing), length)) < wall_probability
        missing = missing[walls[missing].sum(axis=1) % 2 == 1]
    signs: np.ndarray = 1 - 2 * (np.cumsum(walls, axis=1) % 2).astype(np.float32)
    signs *= _random_signs(rng, (num_samples, 1))
    return signs


def _flip_clusters(
    rng: np.random.Generator, field: Float32[np.ndarray, "n *size"], bond: float
) -> Float32[np.ndarray, "n *size"]:
    """Return new signs (Swendsen–Wang): one random sign for each cluster of tied neighbours.

    Neighbours of equal sign are tied with probability 1 − exp(−2 bond φ_i φ_j). Clusters turn as a whole,
    so even near T_c, where single flips take a time that grows as size², a few sweeps decorrelate a field.
    """
    nodes = np.arange(field.size, dtype=np.int32).reshape(field.shape)
    first, second = [], []
    for axis in range(1, field.ndim):
        product = field * np.roll(field, -1, axis)
        # For unequal signs the right side is below 0, so that these are never tied.
        tied = rng.random(field.shape, dtype=np.float32) < -np.expm1(-2 * bond * product)
        first.append(nodes[tied])
        second.append(np.roll(nodes, -1, axis)[tied])
    # One graph for all fields of the batch: ties never cross fields, and one call labels every cluster.
    ends = np.concatenate(first), np.concatenate(second)
    graph = scipy.sparse.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(field.size,) * 2)
    num_clusters, cluster = scipy.sparse.csgraph.connected_components(graph, directed=False)
    flips = _random_signs(rng, (num_clusters,))[cluster.reshape(field.shape)]
    signs: np.ndarray = np.sign(field) * flips
    return signs


def _metropolis_(
    rng: np.random.Generator,
    field: Float32[np.ndarray, "n *size"],
    mask: np.ndarray,
    *,
    hopping: float,
    quartic: float,
    step: float,
) -> None:
    """Move the pixels of one colour, whose neighbours all have the other one, in place."""
    neighbours = np.zeros_like(field)
    for axis in range(1, field.ndim):
        neighbours += np.roll(field, 1, axis) + np.roll(field, -1, axis)
    old, pull = field[:, mask], 2 * hopping * neighbours[:, mask]
    new = old + step * (2 * rng.random(old.shape, dtype=np.float32) - 1)

    def action(value: np.ndarray) -> np.ndarray:
        energy: np.ndarray = value**2 + quartic * (value**2 - 1) ** 2 - pull * value
        return energy

    accepted = np.log1p(-rng.random(old.shape, dtype=np.float32)) < action(old) - action(new)
    field[:, mask] = np.where(accepted, new, old)
