"""The statistics of gaussianity beyond the fourth moment: the sixth cumulant and the spacing negentropy."""

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import kstat

from sparsight.measure import gaussianity
from sparsight.streams import generator

NUM_SAMPLES = 4000


def spacing_negentropy_by_loops(values):
    """The definition, sample by sample."""
    n = len(values)
    z = np.sort((values - values.mean()) / values.std(ddof=1))
    m = max(1, int(n**0.25))
    total = 0.0
    for i in range(n):
        a, b = max(i - m, 0), min(i + m, n - 1)
        spacing = max(z[b] - z[a], (b - a) / (10 * n))
        total += np.log(spacing) - digamma(b - a) + digamma(n + 1)
    return 0.5 * np.log(2 * np.pi * np.e) - total / n


@pytest.mark.parametrize("n", [4, 5, 17, 300])
def test_statistics_equal_their_definitions(n):
    random = generator(n, "definitions")
    samples = np.stack([random.standard_normal(n), random.laplace(size=n), random.integers(0, 2, n) + 5.0], 1)
    samples[0, 2] = 4  # not constant, whatever was drawn
    found = gaussianity(samples)
    for unit, values in enumerate(samples.T):
        m2, m3, m4, m6 = (((values - values.mean()) ** p).mean() for p in (2, 3, 4, 6))
        sixth = m6 / m2**3 - 15 * m4 / m2**2 - 10 * m3**2 / m2**3 + 30
        assert found.sixth_cumulant[unit] == pytest.approx(sixth, rel=1e-9, abs=1e-9)
        assert found.spacing_negentropy[unit] == pytest.approx(spacing_negentropy_by_loops(values), abs=1e-9)
    np.testing.assert_array_equal(found.edgeworth_negentropy, found.negentropy)


def test_cumulants_of_known_distributions():
    """Cumulants and entropies in closed form."""
    random = generator(0, "known")
    samples = random.uniform(size=(400_000, 4))
    found = gaussianity(samples)
    # κ₆ of a uniform distribution of width 1 is B₆/6 = 1/252, and its variance is 1/12
    np.testing.assert_allclose(found.sixth_cumulant, 12**3 / 252, atol=0.1)
    # differential entropy of the uniform distribution is ln width
    np.testing.assert_allclose(found.spacing_negentropy, 0.5 * np.log(2 * np.pi * np.e / 12), atol=0.003)
    assert kstat(samples[:, 0], 4) == pytest.approx(-1 / 120, abs=1e-4)  # the same convention of cumulants
    laplace = gaussianity(random.laplace(size=(400_000, 1)))
    entropy = 1 + np.log(2)  # of scale 1, variance 2
    assert laplace.spacing_negentropy[0] == pytest.approx(0.5 * np.log(4 * np.pi * np.e) - entropy, abs=3e-3)


@pytest.mark.parametrize(
    ("n", "mean", "sd"), [(20, 0.0245, 0.082), (100, 0.0026, 0.026), (2000, -0.0008, 0.0039)]
)
def test_values_of_gaussian_samples_are_those_stated(n, mean, sd):
    num_units = 1_200_000 // n if n > 20 else 20_000
    found = gaussianity(generator(n, "gaussian").standard_normal((n, num_units)))
    error = sd / num_units**0.5
    assert found.spacing_negentropy.mean() == pytest.approx(mean, abs=5 * error + 0.0005)
    assert found.spacing_negentropy.std() == pytest.approx(sd, rel=0.1)
    if n == 2000:
        assert found.sixth_cumulant.std() == pytest.approx((720 / n) ** 0.5, rel=0.25)


def mixture_without_kurtosis(random, shape):
    """Uniform (κ = −1.2) and Laplace (κ = 3) of variance 1, 5 to 2: skewness and κ are 0."""
    uniform, laplace = random.uniform(-(3**0.5), 3**0.5, shape), random.laplace(size=shape) / 2**0.5
    return np.where(random.random(shape) < 5 / 7, uniform, laplace)


def test_what_has_no_kurtosis_and_no_skewness_is_found_by_both():
    random = generator(0, "planted")
    own = gaussianity(mixture_without_kurtosis(random, (NUM_SAMPLES, 40)))
    gaussian = gaussianity(random.standard_normal((NUM_SAMPLES, 40)))

    def distance(name):
        a, b = getattr(own, name), getattr(gaussian, name)
        return (a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 40)

    standard_error = (2 / 7 * 40320 / 16 / own.excess_kurtosis.size / NUM_SAMPLES) ** 0.5  # of m₄, from E x⁸
    assert own.excess_kurtosis.mean() == pytest.approx(0, abs=4 * standard_error)
    assert own.edgeworth_negentropy.mean() < 0.1 * own.spacing_negentropy.mean()
    assert distance("spacing_negentropy") > 10
    assert distance("sixth_cumulant") > 4


def test_the_edgeworth_value_is_poor_near_kurtosis_minus_one_and_the_spacing_value_is_not():
    """A uniform distribution, κ = −1.2: its negentropy is 0.177, the Edgeworth terms give 0.03."""
    found = gaussianity(generator(0, "uniform").uniform(size=(NUM_SAMPLES, 20)))
    assert found.edgeworth_negentropy.mean() == pytest.approx(1.2**2 / 48, abs=0.002)
    assert found.spacing_negentropy.mean() == pytest.approx(0.1765, abs=0.005)


def test_repeated_values_are_finite():
    coin = np.tile([-1.0, 1.0], 500)[:, None]
    found = gaussianity(coin).spacing_negentropy[0]
    bound = 0.5 * np.log(2 * np.pi * np.e) + np.log(10)
    assert bound - 0.2 < found <= bound  # less the few gaps that reach from one value to the other
