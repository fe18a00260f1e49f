import numpy as np
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import linear_cka


def _by_kernels(a, b):
    """The same, from the n × n kernels of the definition."""

    def hsic(x, y):
        k, l = x @ x.T, y @ y.T  # noqa: E741 - the names of the paper
        np.fill_diagonal(k, 0)
        np.fill_diagonal(l, 0)
        n, one = len(k), np.ones(len(k))
        rest = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
        return (np.trace(k @ l) + rest) / (n * (n - 3))

    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))


def test_is_that_of_the_kernels():
    stream = np.random.default_rng(0)
    a = stream.normal(size=(30, 7)) + 5
    b = a[:, :4] + stream.normal(size=(30, 4))
    assert linear_cka(a, b) == pytest.approx(_by_kernels(a, b), rel=1e-9)


def test_a_rotated_scaled_and_shifted_representation_is_the_same():
    stream = np.random.default_rng(1)
    a = stream.normal(size=(50, 8)) * np.arange(1, 9)
    rotation = np.linalg.qr(stream.normal(size=(8, 8)))[0]
    assert linear_cka(a, a) == pytest.approx(1, abs=1e-12)
    assert linear_cka(a, 3 * a @ rotation - 7) == pytest.approx(1, abs=1e-12)
    assert linear_cka(a.astype(np.float32), a) == pytest.approx(1, abs=1e-6)


def test_independent_representations_of_more_units_than_samples_are_at_0():
    stream = np.random.default_rng(2)
    # Shared directions keep HSIC(a, a) away from 0; the two representations share nothing.
    found = [
        linear_cka(*(stream.normal(size=(20, 3)) @ stream.normal(size=(3, 100)) for _ in range(2)))
        for _ in range(200)
    ]
    assert stats.ttest_1samp(found, 0.0).pvalue > 0.01
    assert np.std(found) < 0.2


def test_undefined_without_variation_and_refused_with_too_few_samples():
    a = np.random.default_rng(3).normal(size=(10, 3))
    assert np.isnan(linear_cka(a, np.ones((10, 2))))
    with pytest.raises(InputError, match="four or more"):
        linear_cka(a[:3], a[:3])
    with pytest.raises(InputError, match="b has"):
        linear_cka(a, a[:5])
    with pytest.raises(InputError, match="NaN"):
        linear_cka(a, np.full((10, 2), np.nan))
