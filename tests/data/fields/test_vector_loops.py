import numpy as np
import pytest
import scipy.special

from sparsight.data.fields._vector_loops import normal_pairs, scaled_erf
from sparsight.streams import generator

ONE = np.float32(1)


def erf(values):
    found = np.array(values, dtype=np.float32)
    scaled_erf(found, ONE, ONE)
    return found


def normals(bits):
    found = np.array(bits, dtype=np.int32)
    normal_pairs(found)
    return found.view(np.float32)


def random_bits(num_pairs):
    return generator(0, "t").integers(-(2**31), 2**31, (2, num_pairs), dtype=np.int32)


def test_erf_is_scipys_in_all_its_digits():
    grids = [np.linspace(-12, 12, 3_000_001), np.geomspace(1e-30, 1e30, 200_001)]
    x = np.concatenate([*grids, -grids[1], [0.0, np.inf, -np.inf]]).astype(np.float32)
    expected = scipy.special.erf(x.astype(np.float64))
    np.testing.assert_allclose(erf(x), expected, rtol=5e-7, atol=0)
    assert np.abs(erf(x)).max() == 1


def test_erf_keeps_signs_and_order():
    x = np.linspace(0, 3, 1001)
    np.testing.assert_array_equal(erf(-x), -erf(x))
    assert (np.diff(erf(x)) > 0).all()


def test_erf_of_nothing_known_stays_unknown():
    assert np.isnan(erf([np.nan] * 19)).all()


@pytest.mark.parametrize(("inner", "outer"), [(0.7e-3, 900.0), (2.1, 1.2), (1e4, 1.0)])
def test_erf_scales_inside_and_outside(inner, outer):
    x = generator(0, "t").standard_normal(10_001).astype(np.float32)
    found = x.copy()
    scaled_erf(found, np.float32(inner), np.float32(outer))
    np.testing.assert_allclose(found, outer * scipy.special.erf(inner * x.astype(np.float64)), rtol=8e-7)


def test_normal_pairs_are_box_and_mullers_in_double_precision():
    bits = random_bits(1_000_000)
    found = normals(bits)
    # u as it is in single precision: its rounding is part of the definition
    u = ((bits[0] & 0x7FFFFFFF).astype(np.float32) + ONE) * np.float32(2.0**-31)
    radius = np.sqrt(-2 * np.log(u.astype(np.float64)))
    angle = bits[1] * np.pi * 2.0**-31
    for row, expected in zip(found, (radius * np.cos(angle), radius * np.sin(angle)), strict=True):
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-6)


def test_normal_pairs_at_the_ends_of_their_bits():
    """Largest radius 6.56; radius 0; the angle at every multiple of an eighth of a turn, and beside it."""
    eighths = np.arange(-4, 4, dtype=np.int64) * 2**29
    second = np.concatenate([eighths + step for step in (-1, 0, 1)]).clip(-(2**31), 2**31 - 1)
    for first, radius in ((0, np.sqrt(62 * np.log(2))), (0x7FFFFFFF, 0.0), (-1, 0.0)):
        x, y = normals(np.stack([np.full_like(second, first), second]))
        np.testing.assert_allclose(x, radius * np.cos(second * np.pi * 2.0**-31), rtol=0, atol=1e-6)
        np.testing.assert_allclose(y, radius * np.sin(second * np.pi * 2.0**-31), rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", range(1, 40))
def test_a_value_does_not_depend_on_where_it_lies(length):
    """Nor on whether it is met by a vector or, at the end, alone."""
    bits = random_bits(1000)
    np.testing.assert_array_equal(normals(bits[:, :length]), normals(bits)[:, :length])
    np.testing.assert_array_equal(normals(bits[:, length:]), normals(bits)[:, length:])
    x = normals(bits)[0]
    np.testing.assert_array_equal(erf(x[:length]), erf(x)[:length])
    np.testing.assert_array_equal(erf(x[length:]), erf(x)[length:])
