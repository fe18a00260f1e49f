import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.geometry import Geometry
from sparsight.measure import (
    entropy,
    envelope,
    fan_in_histogram,
    fan_out,
    ipr,
    ipr_of_fan_in,
    num_components,
    participation_ratio,
)


def test_ipr_and_its_kin_of_equal_weights_are_their_number():
    weights = np.array([[1.0, -1, 1, 0, 0], [0, 0, 3, 0, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_allclose(ipr(weights), [1 / 3, 1, np.nan])
    np.testing.assert_allclose(participation_ratio(weights), [3, 1, np.nan])
    np.testing.assert_allclose(entropy(weights), [np.log(3), 0, np.nan], atol=1e-15)


@pytest.mark.parametrize("fan_in", [1, 2, 7, 100])
def test_ipr_of_gaussian_weights_has_the_stated_mean(fan_in):
    draws = ipr(np.random.default_rng(0).normal(size=(20000, fan_in)))
    error = draws.std() / np.sqrt(20000)
    assert abs(draws.mean() - ipr_of_fan_in(np.array([fan_in]))[0]) <= 4 * error + 1e-12
    assert np.isnan(ipr_of_fan_in(np.array([0])))[0]


@pytest.mark.parametrize("wraps", [False, True])
def test_envelope_of_a_gaussian_blob(wraps):
    geometry = Geometry(2, (40, 40), wraps)
    y, x = geometry.positions().T
    blob = np.exp(-((y - 18) ** 2) / (2 * 9) - ((x - 21) ** 2) / (2 * 4))
    found = envelope(np.concatenate([blob, blob])[None], geometry)
    np.testing.assert_allclose(found.centre[0], [18, 21], atol=1e-3)
    np.testing.assert_allclose(found.covariance[0], [[9, 0], [0, 4]], atol=1e-2)
    assert found.radius_of_gyration[0] == pytest.approx(np.sqrt(13), abs=1e-2)


def test_envelope_across_the_border_of_a_torus_is_that_of_the_middle():
    geometry = Geometry(1, (12,), wraps=True)
    mask = np.zeros((1, 12), bool)
    mask[0, 4:7] = True
    middle, across = envelope(mask, geometry), envelope(np.roll(mask, 7, axis=1), geometry)
    assert middle.centre[0, 0] == pytest.approx(5)
    assert across.centre[0, 0] % 12 == pytest.approx(0, abs=1e-9) or across.centre[0, 0] == pytest.approx(12)
    assert across.radius_of_gyration[0] == pytest.approx(middle.radius_of_gyration[0])


def test_envelope_of_an_empty_unit_is_nan():
    assert np.isnan(envelope(np.zeros((1, 9), bool), Geometry(1, (3, 3))).radius_of_gyration).all()


def flood_fill_count(field, wraps):
    """Pieces by walking from pixel to pixel."""
    left, pieces = {tuple(p) for p in np.argwhere(field)}, 0
    while left:
        pieces += 1
        stack = [left.pop()]
        while stack:
            y, x = stack.pop()
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    p = (y + dy, x + dx)
                    if wraps:
                        p = (p[0] % field.shape[0], p[1] % field.shape[1])
                    if p in left:
                        left.remove(p)
                        stack.append(p)
    return pieces


@given(
    st.integers(1, 7),
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from([0.0, 0.15, 0.4, 1.0]),
    st.integers(0, 10**6),
)
def test_num_components_equals_flood_fill(height, width, wraps, density, seed):
    fields = np.random.default_rng(seed).random((3, height, width)) < density
    found = num_components(fields.reshape(3, -1), Geometry(1, (height, width), wraps))
    assert found.tolist() == [flood_fill_count(field, wraps) for field in fields]


def test_num_components_on_a_ring_and_with_channels():
    mask = np.array([[1, 0, 0, 1, 0, 1]], bool)
    assert num_components(mask, Geometry(1, (6,))).tolist() == [3]
    assert num_components(mask, Geometry(1, (6,), wraps=True)).tolist() == [2]
    assert num_components(mask, Geometry(2, (3,))).tolist() == [2]


def test_fan_in_histogram_of_random_masks_is_binomial():
    mask = np.random.default_rng(0).random((5000, 40)) < 0.2
    counts, expected = fan_in_histogram(mask)
    assert counts.sum() == 5000
    common = expected > 5
    assert (np.abs(counts - expected)[common] < 5 * np.sqrt(expected[common])).all()
    np.testing.assert_array_equal(fan_out(mask), mask.sum(axis=0))
