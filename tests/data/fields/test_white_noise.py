import numpy as np
import pytest
import scipy.stats
import torch

from sparsight.data.fields import _white_noise as white_noise_module
from sparsight.data.fields._white_noise import white_noise
from sparsight.streams import generator

NUM = 2_000_000


@pytest.fixture(scope="module")
def noise():
    return white_noise(generator(0, "t"), (NUM,)).double().numpy()


def test_white_noise_is_normal(noise):
    """Kolmogorov's distance; the critical value for p = 1e-6 is 2.7/√n."""
    assert scipy.stats.kstest(noise, "norm").statistic < 2.7 / np.sqrt(NUM)


@pytest.mark.parametrize("power", [1, 2, 3, 4, 6, 8])
def test_white_noise_moments(noise, power):
    def moment(k):
        return scipy.stats.norm.moment(k)

    error = np.sqrt((moment(2 * power) - moment(power) ** 2) / NUM)
    assert abs(np.mean(noise**power) - moment(power)) < 5 * error


def test_white_noise_pairs_are_independent(noise):
    """The cosine and the sine of one angle, and neighbours, also in their squares."""
    cosine, sine = noise.reshape(2, -1)
    for a, b in ((cosine, sine), (noise[:-1], noise[1:])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(NUM / 2)
        assert abs(np.corrcoef(a**2, b**2)[0, 1]) < 5 / np.sqrt(NUM / 2)


def test_white_noise_tails(noise):
    for threshold in (3.0, 4.0, 4.5):
        expected = 2 * NUM * scipy.stats.norm.sf(threshold)
        assert abs((np.abs(noise) > threshold).sum() - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("num_values", [1, 6, 2 * white_noise_module._BLOCK + 5])
def test_white_noise_in_memory_that_is_given(num_values):
    memory = np.zeros(num_values + num_values % 2 + 6, dtype=np.float32)
    values = white_noise(generator(0, "t"), (num_values,), memory[4:-2])
    assert (values == white_noise(generator(0, "t"), (num_values,))).all()
    np.testing.assert_array_equal(values, memory[4 : 4 + num_values])
    assert not memory[:4].any()
    assert not memory[-2:].any()


class ExtremeBits(np.random.Generator):
    """Hands out one bit pattern only."""

    def __init__(self, word):
        super().__init__(np.random.PCG64(0))
        self.word = word

    def integers(self, low, high, size, dtype):
        return np.full(size, self.word, dtype=dtype)


@pytest.mark.parametrize(("word", "largest"), [(0, 6.56), (2**64 - 1, 0.0), (0x7FFFFFFF7FFFFFFF, 0.0)])
def test_white_noise_is_finite_at_its_ends(word, largest):
    values = white_noise(ExtremeBits(word), (4,))
    assert torch.isfinite(values).all()
    assert values.abs().max() == pytest.approx(largest, abs=1e-2)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 0, 3), (7,)])
def test_white_noise_shapes(shape):
    values = white_noise(generator(0, "t"), shape)
    assert values.shape == shape
    assert values.dtype == torch.float32
    assert (values == white_noise(generator(0, "t"), shape)).all()


@pytest.mark.parametrize("num_values", [0, 1, 2, 9, 2 * white_noise_module._BLOCK + 5])
def test_white_noise_takes_half_as_many_random_numbers_in_their_order(num_values):
    num_pairs = (num_values + 1) // 2
    rng, whole = generator(0, "t"), generator(0, "t")
    values = white_noise(rng, (num_values,)).numpy()
    bits = whole.integers(0, 2**64, num_pairs, dtype=np.uint64).view(np.int32).reshape(2, num_pairs)
    assert rng.bit_generator.state == whole.bit_generator.state
    u = ((bits[0] & 0x7FFFFFFF).astype(np.float32) + np.float32(1)) * np.float32(2.0**-31)
    angle = bits[1] * np.pi * 2.0**-31
    expected = np.sqrt(-2 * np.log(u.astype(np.float64))) * np.stack([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(values, expected.ravel()[:num_values], rtol=0, atol=1e-6)
