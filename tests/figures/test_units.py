import numpy as np
import pytest
from scipy.stats import norm

from sparsight.errors import InputError
from sparsight.figures import plot_cavity_map, plot_preactivations
from sparsight.geometry import Geometry
from sparsight.measure import HISTOGRAM_EDGES, preactivation_histogram


def test_plot_preactivations_draws_shares_beside_those_of_the_gaussian():
    counts = preactivation_histogram(np.random.default_rng(0).laplace(size=(500, 1)))[0]
    ax = plot_preactivations(counts)
    bars, gaussian = (patch.get_data() for patch in ax.patches)
    np.testing.assert_array_equal(bars.values, counts / 500)
    np.testing.assert_array_equal(bars.edges, HISTOGRAM_EDGES)
    inner = np.diff(norm.cdf(HISTOGRAM_EDGES))[1:-1]
    np.testing.assert_allclose(gaussian.values[1:-1], inner)
    assert gaussian.values[0] == pytest.approx(norm.cdf(HISTOGRAM_EDGES[1]))
    assert ax.get_yscale() == "log"
    assert plot_preactivations(counts, log=False).get_yscale() == "linear"


def test_plot_preactivations_refuses_other_bins_and_units_without_samples():
    with pytest.raises(InputError, match=r"counts have shape \(3,\); \(40,\)"):
        plot_preactivations(np.ones(3))
    with pytest.raises(InputError, match="hold no sample"):
        plot_preactivations(np.zeros(40))


def test_plot_cavity_map_sums_channels_and_leaves_undefined_weights_out():
    delta = np.array([0.1, np.nan, -0.2, 0.0, 0.3, 0.5, 0.0, 0.0])
    ax = plot_cavity_map(delta, Geometry(2, (2, 2)))
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.4, 0.5], [-0.2, 0.0]])
    low, high = ax.images[0].get_clim()
    assert low == -high
    line = plot_cavity_map(delta, Geometry(2, (4,)))
    np.testing.assert_allclose(line.get_lines()[1].get_ydata(), [0.4, 0.5, -0.2, 0.0])
    with pytest.raises(InputError, match=r"delta has shape \(8,\); \(4,\) fits"):
        plot_cavity_map(delta, Geometry(1, (4,)))
