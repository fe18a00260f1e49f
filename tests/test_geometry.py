import itertools

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.geometry import Geometry


@pytest.mark.parametrize("size", [(5,), (6,), (3, 4)])
@pytest.mark.parametrize("wraps", [False, True])
def test_displacements_are_those_between_pairs_of_pixels(size, wraps):
    geometry = Geometry(1, size, wraps)
    extents = np.array(size)
    found = set()
    for a in geometry.positions():
        for b in geometry.positions():
            d = b - a
            found.add(tuple((d + extents // 2) % extents - extents // 2) if wraps else tuple(d))
    grid = geometry.displacements()
    assert {tuple(d) for d in grid.reshape(-1, len(size))} == found
    assert not grid[geometry.centre].any()


def test_distances_are_euclidean_and_nearest_on_a_torus():
    assert Geometry(1, (8,), wraps=True).distances().tolist() == [4, 3, 2, 1, 0, 1, 2, 3]
    assert Geometry(1, (2, 2)).distances()[0, 0] == pytest.approx(np.sqrt(2))


def test_input_order_is_channels_first():
    geometry = Geometry(3, (4, 5))
    index = np.arange(geometry.num_inputs).reshape(geometry.shape)
    assert index[2, 1, 3] == 2 * geometry.num_pixels + 1 * 5 + 3
    assert (geometry.num_pixels, geometry.num_inputs, geometry.extent) == (20, 60, 4)
    np.testing.assert_array_equal(geometry.positions()[1 * 5 + 3], [1, 3])


def test_geometry_refuses_what_has_no_extent():
    with pytest.raises(InputError, match="channels is 0"):
        Geometry(0, (4,))
    with pytest.raises(InputError, match="geometry.size"):
        Geometry(1, (4, 0))
    with pytest.raises(InputError, match="geometry.size"):
        Geometry(1, (2, 2, 2))


@pytest.mark.parametrize(
    "geometry", [Geometry(2, (7,), True), Geometry(1, (5, 4)), Geometry(3, (5, 4), True)]
)
def test_squared_distances_from_pixels_are_those_of_the_nearest_image(geometry):
    positions = geometry.positions()
    found = geometry.squared_distances_from(np.array([0, 3]))
    shifts = list(itertools.product(*((-n, 0, n) if geometry.wraps else (0,) for n in geometry.size)))
    for row, pixel in zip(found, (0, 3), strict=True):
        expected = [min(((p - positions[pixel] + s) ** 2).sum() for s in np.array(shifts)) for p in positions]
        assert row.tolist() == expected
