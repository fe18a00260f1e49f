import itertools
import re

import numpy as np
import pytest
import scipy.integrate

from sparsight.data.fields._spins import ising, ising_sampler, phi4, phi4_sampler
from sparsight.errors import InputError
from sparsight.streams import generator


def assert_mean(samples, expected, num_deviations=5):
    error = np.std(samples) / np.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) < num_deviations * error


def ising_energy(spins):
    """−Σ s_i s_j over neighbours i, j, divided by the number of spins; neighbours wrap around."""
    axes = tuple(range(1, spins.ndim))
    return -sum(spins * np.roll(spins, -1, axis) for axis in axes).mean(axis=axes)


def enumerated(size, temperature):
    """Mean of energy and of squared magnetisation per spin, over all states."""
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=int(np.prod(size))))).reshape(-1, *size)
    energy = ising_energy(states)
    weight = np.exp(-energy * np.prod(size) / temperature)
    magnetisation = states.reshape(len(states), -1).mean(axis=1)
    return (np.average(x, weights=weight) for x in (energy, magnetisation**2))


def test_ising_energy_counts_every_bond_once():
    assert ising_energy(np.ones((1, 4, 5)))[0] == -2
    assert ising_energy(np.ones((1, 7)))[0] == -1
    board = 1 - 2.0 * (np.indices((4, 6)).sum(axis=0) % 2)
    assert ising_energy(board[None])[0] == 2
    one = np.ones((1, 4, 4))
    one[0, 1, 2] = -1
    assert ising_energy(one)[0] == (-32 + 8) / 16


@pytest.mark.parametrize("temperature", [1.2, 2.269, 5.0])
@pytest.mark.parametrize("size", [(3, 3), (3, 4), (10,)])
def test_ising_sampler_against_all_states(size, temperature):
    spins = ising_sampler(size, temperature, 25)(generator(0, "t"), 20_000)
    assert spins.dtype == np.float32
    assert set(np.unique(spins)) == {-1, 1}
    energy, magnetisation = enumerated(size, temperature)
    assert_mean(ising_energy(spins), energy)
    flat = spins.reshape(len(spins), -1).mean(axis=1)
    assert_mean(flat**2, magnetisation)
    assert_mean(flat, 0)


@pytest.mark.parametrize("length", [3, 12])
def test_ising_ring_correlations_are_exact(length):
    spins = ising_sampler((length,), 1.0)(generator(0, "t"), 40_000)
    t = np.tanh(1.0)
    for d in range(1, length):
        expected = (t**d + t ** (length - d)) / (1 + t**length)
        assert_mean(spins[:, 0] * spins[:, d], expected)


def onsager_energy(temperature):
    """Energy per spin of the infinite lattice: Onsager, Phys. Rev. 65 (1944) 117."""
    k = 2 * np.sinh(2 / temperature) / np.cosh(2 / temperature) ** 2
    integral = scipy.integrate.quad(lambda x: 1 / np.sqrt(1 - (k * np.sin(x)) ** 2), 0, np.pi / 2)[0]
    tanh = np.tanh(2 / temperature)
    return -1 / tanh * (1 + 2 / np.pi * (2 * tanh**2 - 1) * integral)


@pytest.mark.parametrize("temperature", [1.8, 2.9])
def test_ising_sampler_against_onsager(temperature):
    """Away from T_c a lattice of 24 is infinite: its energy differs by exp(−24/ξ)."""
    spins = ising_sampler((24, 24), temperature, 25)(generator(0, "t"), 300)
    assert_mean(ising_energy(spins), onsager_energy(temperature))


def test_phi4_without_quartic_term_is_the_free_field():
    size, hopping = (6, 8), 0.2
    field = phi4_sampler(size, hopping, 0.0, 30)(generator(0, "t"), 4000)
    waves = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in size), indexing="ij")
    covariance = np.fft.ifft2(1 / (2 - 4 * hopping * sum(np.cos(k) for k in waves))).real
    for d in ((0, 0), (0, 1), (1, 0), (2, 3)):
        products = (field * np.roll(field, d, axis=(1, 2))).mean(axis=(1, 2))
        assert_mean(products, covariance[d])
    assert abs(np.mean(field**4) / np.mean(field**2) ** 2 - 3) < 0.1


@pytest.mark.parametrize("quartic", [0.3, 5.0])
def test_phi4_ring_against_its_transfer_matrix(quartic):
    hopping, length = 0.4, 6
    x, width = np.linspace(-4, 4, 801, retstep=True)
    site = np.exp(-(x**2) - quartic * (x**2 - 1) ** 2)
    transfer = np.sqrt(np.outer(site, site)) * np.exp(2 * hopping * np.outer(x, x)) * width
    rest = np.linalg.matrix_power(transfer, length - 1)
    total = np.trace(rest @ transfer)
    square = np.einsum("ij,ji,i->", rest, transfer, x**2) / total
    fourth = np.einsum("ij,ji,i->", rest, transfer, x**4) / total
    neighbours = np.einsum("ij,ji,i,j->", rest, transfer, x, x, optimize=True) / total
    field = phi4_sampler((length,), hopping, quartic, 30)(generator(0, "t"), 20_000)
    assert_mean((field**2).mean(axis=1), square)
    assert_mean((field**4).mean(axis=1), fourth)
    assert_mean((field * np.roll(field, 1, axis=1)).mean(axis=1), neighbours)
    assert_mean(field.mean(axis=1), 0)


@pytest.mark.parametrize("source", [ising, phi4])
@pytest.mark.parametrize("size", [(8,), (4, 6)])
def test_spin_sources_are_functions_of_their_seed(source, size):
    options = {"size": size, "num_sweeps": 3, "num_train": 21, "num_test": 10, "channels": 2}
    task, again, other = (source(**options, seed=seed) for seed in (0, 0, 1))
    assert task.train_inputs.shape == (21, 2, *size)
    assert task.geometry.wraps
    assert np.bincount(task.test_labels).tolist() == [5, 5]
    assert (task.train_inputs == again.train_inputs).all()
    assert not (task.train_inputs == other.train_inputs).all()
    fresh = source(**options, online=True, seed=0)
    assert (fresh.batch(1, 2, 4)[0] == fresh.batch(1, 2, 4)[0]).all()


def test_ising_classes_differ_by_temperature():
    task = ising(size=(8, 8), temperatures=(1.5, 4.0), num_sweeps=20, num_train=400, num_test=4, seed=0)
    cold, hot = (ising_energy(task.train_inputs[task.train_labels == c, 0]).mean() for c in (0, 1))
    assert cold < -1.8
    assert -0.7 < hot < -0.45


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ising_sampler((2, 5), 1.0), "size is (2, 5)"),
        (lambda: ising_sampler((4, 4, 4), 1.0), "size is (4, 4, 4)"),
        (lambda: ising_sampler((4, 4), 0.0), "temperature is 0.0; give a number above 0"),
        (lambda: phi4_sampler((4, 5), 0.1, 1.0), "size is (4, 5); φ⁴ is updated as a checkerboard"),
        (lambda: phi4_sampler((4, 4), -0.1, 1.0), "hopping is -0.1 and quartic is 1.0; both must be"),
        (lambda: phi4_sampler((4, 4), 0.25, 0.0), "hopping is 0.25; without a quartic term it must be below"),
        (lambda: ising(temperatures=(1.0,), seed=0), "ising has one class"),
        (lambda: phi4(hoppings=(0.1,), seed=0), "phi4 has one class"),
    ],
)
def test_spin_fields_refuse(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()
