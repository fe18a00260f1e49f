"""Loss and accuracy on the line between two copies, level by level."""

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.figures import plot_linear_paths
from sparsight.measure import student_interval

POSITION = np.linspace(0, 1, 11)


def hump(height, replicates=3):
    """A barrier of this height in the middle, the same in all replicates but for a constant."""
    return np.array([0.1 * replicate + height * np.sin(np.pi * POSITION) for replicate in range(replicates)])


def lines_of(ax):
    return {line.get_label(): line for line in ax.get_lines() if not str(line.get_label()).startswith("_")}


def test_each_level_is_a_line_of_means_and_the_dense_network_is_dashed():
    ax = plot_linear_paths({0: hump(1.0), 1: hump(0.5), 2: hump(0.0)}, ylabel="test loss")
    lines = lines_of(ax)
    assert list(lines) == ["dense", "level 1", "level 2"]
    for label, height in (("dense", 1.0), ("level 1", 0.5), ("level 2", 0.0)):
        np.testing.assert_allclose(lines[label].get_xdata(), POSITION)
        np.testing.assert_allclose(lines[label].get_ydata(), hump(height).mean(axis=0), atol=1e-12)
    assert [line.get_linestyle() for line in lines.values()] == ["--", "-", "-"]
    assert len({line.get_color() for line in lines.values()}) == 3
    assert ax.get_ylabel() == "test loss"


def test_bands_are_student_intervals_over_replicates():
    values = hump(0.5)
    (band,) = plot_linear_paths({1: values}, ylabel="").collections
    ends = band.get_paths()[0].vertices
    for place, position in enumerate(POSITION):
        expected = student_interval(values[:, place])
        found = ends[np.isclose(ends[:, 0], position), 1]
        assert (found.min(), found.max()) == pytest.approx((expected.low, expected.high))


def test_one_replicate_has_no_band_and_a_diverged_one_is_left_out():
    assert not plot_linear_paths({0: hump(1.0, replicates=1)}, ylabel="").collections
    values = hump(0.5)
    values[0] = np.nan
    (line,) = lines_of(plot_linear_paths({1: values}, ylabel="")).values()
    np.testing.assert_allclose(line.get_ydata(), values[1:].mean(axis=0))


def test_a_logarithmic_axis_shows_losses_of_every_size_and_refuses_those_without_a_logarithm():
    ax = plot_linear_paths({0: 1e20 * (1 + hump(1.0)), 1: 1 + hump(1.0)}, ylabel="", is_log=True)
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert 0 < low < 1
    assert high > 2.2e20
    with pytest.raises(InputError, match="paths of level 1 have values of 0 or less; leave is_log out"):
        plot_linear_paths({1: hump(1.0)}, ylabel="", is_log=True)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({}, "paths is empty"),
        ({3: POSITION}, r"paths of level 3 are float64 of shape \(11,\)"),
        ({3: POSITION[:, None]}, "at least 2 points"),
        ({3: hump(1.0).tolist()}, "paths of level 3 are"),
    ],
)
def test_what_cannot_be_drawn_is_named(paths, message):
    with pytest.raises(InputError, match=message):
        plot_linear_paths(paths, ylabel="")
