import numpy as np
import pytest
from matplotlib import colormaps

from sparsight.errors import InputError
from sparsight.figures import locality_pictures, plot_locality_levels
from sparsight.figures._palette import SIGNED
from sparsight.geometry import Geometry


def colour(table, value):
    return np.rint(255 * np.array(table(value))).astype(np.uint8)


def test_locality_pictures_show_counts_and_null_on_one_scale_and_their_ratio():
    counts, expected = np.array([[0.0, 40.0], [20.0, 80.0]]), np.array([[10.0, 10.0], [20.0, 4.0]])
    pictures = locality_pictures(counts, expected)
    cividis = colormaps["cividis"]
    for name, values in (("S(d)", counts), ("null", expected)):
        for place in np.ndindex(2, 2):
            shown = np.rint(values[place] / 80 * 32) / 32
            np.testing.assert_array_equal(pictures[name][place], colour(cividis, shown))
    np.testing.assert_array_equal(pictures["ratio"][0, 0], colour(SIGNED, 0.0))  # no pair at all
    np.testing.assert_array_equal(
        pictures["ratio"][0, 1], colour(SIGNED, np.rint(32 * 5 / 6) / 32)
    )  # 4 times
    np.testing.assert_array_equal(pictures["ratio"][1, 0], colour(SIGNED, 0.5))
    assert pictures["ratio"][1, 1, 3] == 0  # under 5 pairs expected


@pytest.mark.parametrize(("geometry", "columns"), [(Geometry(1, (4, 4)), 6), (Geometry(1, (12,)), 1)])
def test_plot_locality_levels_shows_levels_side_by_side_or_as_rows(geometry, columns):
    grid = geometry.distances().shape
    counts = {level: np.full(grid, 10.0 + level) for level in range(8)}
    expected = {level: np.full(grid, 10.0) for level in range(8)}
    ax = plot_locality_levels(counts, expected, geometry)
    high, wide = ax.images[0].get_array().shape[:2]
    if columns > 1:
        assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "3", "4", "6", "7"]
        assert (high, wide) == (3 * 7 + 2 * 3, 6 * 7 + 5 * 3)
    else:
        assert (high, wide) == (3 * 8 + 2 * 3, grid[0])


def test_plot_locality_levels_refuses_what_does_not_fit():
    geometry = Geometry(1, (4,))
    grid = geometry.distances().shape
    with pytest.raises(InputError, match="the same levels"):
        plot_locality_levels({}, {}, geometry)
    with pytest.raises(InputError, match="the same levels"):
        plot_locality_levels({0: np.ones(grid)}, {1: np.ones(grid)}, geometry)
    with pytest.raises(InputError, match=r"displacements, \(7,\)"):
        plot_locality_levels({0: np.ones(3)}, {0: np.ones(3)}, geometry)
