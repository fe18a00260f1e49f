"""The ceiling of near pairs against every mask of small images, and against rows of larger ones."""

import functools
import itertools

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import most_near_pairs
from sparsight.measure._pair_counts import near_displacements, unit_pair_sums


def by_enumeration(geometry):
    """Most near pairs of every number of inputs, from every mask there is."""
    codes = np.arange(2**geometry.num_inputs)
    most = np.zeros(geometry.num_inputs + 1)
    for part in np.array_split(codes, max(1, len(codes) // 4096)):
        masks = (part[:, None] >> np.arange(geometry.num_inputs)) % 2 == 1
        found = unit_pair_sums(masks, geometry, near_displacements(geometry)[None])[0]
        np.maximum.at(most, masks.sum(axis=1), found)
    return most


def by_rows(height, width, wraps):
    """Most near pairs of k pixels, from the number of pixels in each row: dynamic programme.

    By the rearrangement inequality of Riesz, rows of a and b pixels next to each other have most pairs as
    centred intervals, and all rows can be centred at once.
    """
    rows = np.arange(width + 1)
    within = np.maximum(rows - 1, 0) + (wraps and width > 2) * (rows == width)
    a, b = np.meshgrid(rows, rows, indexing="ij")
    between = np.maximum(3 * np.minimum(a, b) - np.maximum(2 - np.abs(a - b), 0), 0)
    between[np.minimum(a, b) == 0] = 0
    if wraps and width > 2:
        between = np.where(np.maximum(a, b) == width, 3 * np.minimum(a, b), between)
    most = np.full(height * width + 1, -1)
    for first in rows if wraps and height > 2 else [None]:
        best = np.full((height * width + 1, width + 1), -(10**9))
        for row in rows if first is None else [first]:
            best[row, row] = within[row]
        for _ in range(height - 1):
            after = np.full_like(best, -(10**9))
            reached = (best[:, :, None] + between).max(axis=1)  # (k, pixels of this row)
            for row in rows:
                after[row:, row] = reached[: len(after) - row, row] + within[row]
            best = after
        closing = between[first] if first is not None else 0
        most = np.maximum(most, (best + closing).max(axis=1))
    return 2 * most


SMALL = [
    *(Geometry(1, (n,), wraps) for n in (1, 2, 3, 4, 9) for wraps in (False, True)),
    *(
        Geometry(1, size, wraps)
        for size in ((1, 5), (2, 2), (2, 3), (2, 5), (5, 2), (3, 3), (3, 4), (4, 4), (3, 5), (2, 7))
        for wraps in (False, True)
    ),
    Geometry(2, (5,)),
    Geometry(2, (5,), wraps=True),
    Geometry(2, (2, 3)),
    Geometry(2, (2, 4), wraps=True),
    Geometry(2, (3, 3), wraps=True),
    Geometry(3, (2, 2)),
    Geometry(3, (4,), wraps=True),
]


@pytest.mark.parametrize("geometry", SMALL, ids=str)
def test_ceiling_is_that_of_every_mask(geometry):
    fan_in = np.arange(geometry.num_inputs + 1)
    np.testing.assert_array_equal(most_near_pairs(fan_in, geometry), by_enumeration(geometry))


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (4, 4), (3, 5), (2, 7)])
def test_the_slow_twin_by_rows_is_itself_that_of_every_mask(size, wraps):
    np.testing.assert_array_equal(by_rows(*size, wraps), by_enumeration(Geometry(1, size, wraps)))


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("size", [(5, 5), (5, 7), (6, 6), (7, 12), (3, 16), (11, 10), (4, 23), (12, 12)])
def test_ceiling_is_that_of_the_rows(size, wraps):
    geometry = Geometry(1, size, wraps)
    np.testing.assert_array_equal(
        most_near_pairs(np.arange(geometry.num_inputs + 1), geometry), by_rows(*size, wraps)
    )


def test_far_from_borders_the_ceiling_is_the_published_one():
    kept = np.arange(1, 300)
    published = 2 * np.floor(4 * kept - np.sqrt(28 * kept - 12) + 1e-9)
    np.testing.assert_array_equal(most_near_pairs(kept, Geometry(1, (40, 40))), published)


@pytest.mark.parametrize("wraps", [False, True])
def test_channels_share_inputs_in_the_best_way(wraps):
    """Every way to divide k inputs between three channels."""
    geometry = Geometry(3, (4, 5), wraps)
    alone = functools.partial(most_near_pairs, geometry=Geometry(1, (4, 5), wraps))
    table = alone(np.arange(21))
    most = np.zeros(61)
    for shares in itertools.product(range(21), repeat=3):
        most[sum(shares)] = max(most[sum(shares)], table[list(shares)].sum())
    np.testing.assert_array_equal(most_near_pairs(np.arange(61), geometry), most)


def test_in_large_images_channels_are_filled_one_after_the_other():
    geometry = Geometry(3, (5000,), wraps=True)
    assert most_near_pairs(np.array([5000, 10_000, 10_003]), geometry).tolist() == [10_000, 20_000, 20_004]


def test_a_fan_in_that_is_impossible_is_refused():
    with pytest.raises(InputError, match="fan_in runs from 2 to 10; 0 to 9 is possible"):
        most_near_pairs(np.array([2, 10]), Geometry(1, (3, 3)))
