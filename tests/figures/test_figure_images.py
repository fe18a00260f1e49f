"""Every plot as a picture, compared with a baseline that a person has looked at.

``pytest tests/figures/test_figure_images.py --mpl-generate-path=tests/figures/baseline`` draws the baseline
again: look at every picture before you commit it. The font comes with matplotlib and the renderer is Agg, so
with the versions of constraints.txt pictures are the same to the bit. Other versions may set text
differently, which moves whole axes (text without hinting: a difference of 32).
"""

import numpy as np
import pandas as pd
import pytest
from matplotlib.testing.compare import compare_images

import sparsight
from sparsight.geometry import Geometry
from sparsight.measure import locality, preactivation_histogram

# Root mean square difference of 8-bit values, for processors that round shades differently. One mark that
# moves by a thirtieth of the axis makes more (last test).
TOLERANCE = 1.0
PLANE, RING = Geometry(2, (10, 10)), Geometry(1, (40,), wraps=True)
QUANTILES = (5, 25, 50, 75, 95)
SAVED = {"dpi": 72, "bbox_inches": "tight"}

image = pytest.mark.mpl_image_compare(
    baseline_dir="baseline", style="default", backend="agg", tolerance=TOLERANCE, savefig_kwargs=SAVED
)


def curve(conditions=("imp", "twin", "random"), slope=0.4):
    rows = [
        {"condition": condition, "level": level, "density": 0.6**level}
        | {"mean": 1 + slope * level * (2 - place) / 2, "low": 0.9 + 0.3 * level * (2 - place) / 2}
        | {"high": 1.1 + 0.5 * level * (2 - place) / 2}
        for place, condition in enumerate(conditions)
        for level in range(6)
    ]
    return pd.DataFrame(rows)


def local_weights(geometry, share, seed=0):
    """Return units with Gaussian weights on the share of inputs that is nearest to a centre of each."""
    stream = np.random.default_rng(seed)
    positions = geometry.positions()
    centres = positions[stream.integers(len(positions), size=16)]
    distance = np.abs(positions[None] - centres[:, None])
    if geometry.wraps:
        distance = np.minimum(distance, np.array(geometry.size) - distance)
    near = np.tile(np.linalg.norm(distance, axis=-1), geometry.channels)
    weight = stream.normal(size=near.shape)
    return np.where(near <= np.quantile(near, share), weight, 0)


def pair_counts(geometry):
    found = {level: locality(local_weights(geometry, 0.6**level) != 0, geometry) for level in range(4)}
    return (
        {level: each.same_channel for level, each in found.items()},
        {level: each.same_channel_expected for level, each in found.items()},
    )


@image
def test_plot_over_density():
    return sparsight.plot_over_density(curve(), ylabel="near pairs / chance", null=1.0).figure


@image
def test_plot_over_density_with_replicates():
    rows = curve()
    dots = [(row.mean - 0.1, row.mean + 0.1 * (row.level + 1)) for row in rows.itertuples()]
    wide = rows.assign(by_replicate=dots, low=rows["mean"] - 1.5, high=rows["mean"] + 1.5)
    return sparsight.plot_over_density(wide, ylabel="near pairs / chance", null=1.0).figure


@image
def test_plot_controls():
    tables = {
        name: curve(("imp",), slope)
        for name, slope in (("own", 0.4), ("twin", 0.1), ("shuffled", 0.2), ("random mask", 0.3))
    }
    return sparsight.plot_controls(tables, null=0.0).figure


@image
def test_plot_receptive_fields_in_two_dimensions():
    return sparsight.plot_receptive_fields(local_weights(PLANE, 0.2), PLANE, title="level 3").figure


@image
def test_plot_receptive_fields_in_colour():
    geometry = Geometry(3, (8, 8))
    return sparsight.plot_receptive_fields(local_weights(geometry, 0.3), geometry).figure


@image
def test_plot_receptive_fields_in_one_dimension():
    return sparsight.plot_receptive_fields(local_weights(RING, 0.2), RING).figure


@image
def test_plot_fan_out():
    return sparsight.plot_fan_out((local_weights(PLANE, 0.2) != 0).sum(axis=0).astype(float), PLANE).figure


@image
def test_plot_fan_in():
    stream = np.random.default_rng(0)
    fan_in = {"imp": stream.integers(5, 60, 300), "random": stream.binomial(100, 0.3, 300)}
    return sparsight.plot_fan_in(fan_in, 100).figure


@image
def test_plot_locality_map():
    counts, expected = pair_counts(PLANE)
    return sparsight.plot_locality_map(counts[3], expected[3], PLANE).figure


@image
def test_plot_locality_profile():
    return sparsight.plot_locality_profile(*pair_counts(PLANE), PLANE).figure


@image
def test_plot_locality_levels_in_two_dimensions():
    return sparsight.plot_locality_levels(*pair_counts(PLANE), PLANE).figure


@image
def test_plot_locality_levels_in_one_dimension():
    return sparsight.plot_locality_levels(*pair_counts(RING), RING).figure


@image
def test_plot_cavity_distributions():
    rows = [
        {"condition": "imp", "level": level, "density": 0.6**level, "group": group}
        | {
            f"q{share}": centre * level / 50 + (share - 50) / 400 * 1.5**level
            for share in (5, 25, 50, 75, 95)
        }
        for level in range(5)
        for group, centre in (("kept", 1), ("pruned", -0.5))
    ]
    return sparsight.plot_cavity_distributions(pd.DataFrame(rows)).figure


@image
def test_plot_cavity_map():
    return sparsight.plot_cavity_map(local_weights(PLANE, 0.3)[0] / 100, PLANE).figure


@image
def test_plot_preactivations():
    counts = preactivation_histogram(np.random.default_rng(0).laplace(size=(4000, 1)))[0]
    return sparsight.plot_preactivations(counts, title="unit 0").figure


@image
def test_plot_differences():
    table = pd.DataFrame(
        {
            "condition": ["twin", "random", "later run: imp"],
            "reference": ["imp", "imp", "first run: imp"],
            "mean": [-0.15, -0.61, 0.02],
            "low": [-0.163, -0.644, np.nan],
            "high": [-0.136, -0.569, np.nan],
        }
    )
    return sparsight.plot_differences(table, xlabel="difference in near-locality").figure


def rms_of(figure, request, tmp_path):
    """Return the root mean square difference of a figure from the baseline of `test_plot_over_density`."""
    figure.savefig(tmp_path / "changed.png", **SAVED)
    baseline = request.path.parent / "baseline" / "test_plot_over_density.png"
    found = compare_images(str(baseline), str(tmp_path / "changed.png"), tol=0, in_decorator=True)
    return 0.0 if found is None else found["rms"]


def over_density(table):
    return sparsight.plot_over_density(table, ylabel="near pairs / chance", null=1.0).figure


def test_the_tolerance_is_below_any_change_of_a_line(request, tmp_path):
    assert rms_of(over_density(curve()), request, tmp_path) == 0
    moved = curve()
    moved.loc[3, "mean"] += 0.1  # of 3
    assert rms_of(over_density(moved), request, tmp_path) > TOLERANCE
    assert rms_of(over_density(curve(("twin", "imp", "random"))), request, tmp_path) > TOLERANCE
