import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import binom

from sparsight.errors import InputError
from sparsight.figures import (
    PRUNED,
    SATURATION,
    evenly_spaced,
    field_colours,
    looks,
    mosaic,
    plot_cavity_distributions,
    plot_controls,
    plot_differences,
    plot_fan_in,
    plot_fan_out,
    plot_locality_map,
    plot_locality_profile,
    plot_over_density,
    plot_receptive_fields,
    quantiles_of,
    signed_table,
)
from sparsight.geometry import Geometry
from sparsight.measure import locality
from sparsight.report._svg import inline_svg


def table(conditions=("imp", "random"), means=(1.0, 2.0, 3.0), half=0.5):
    rows = [
        {
            "condition": condition,
            "level": level,
            "density": 0.3**level,
            "mean": mean + place,
            "low": mean + place - half,
            "high": mean + place + half,
        }
        for place, condition in enumerate(conditions)
        for level, mean in enumerate(means)
    ]
    return pd.DataFrame(rows)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_plot_over_density_draws_the_numbers_it_is_given():
    ax = plot_over_density(table(), ylabel="near", null=1.0)
    drawn = lines(ax)
    np.testing.assert_array_equal(drawn["imp"].get_ydata(), [1, 2, 3])
    np.testing.assert_array_equal(drawn["random"].get_ydata(), [2, 3, 4])
    np.testing.assert_array_equal(drawn["imp"].get_xdata(), [1, 0.3, 0.09])
    assert set(drawn["chance = 1"].get_ydata()) == {1.0}
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.5, 3.5)


def test_plot_over_density_runs_from_dense_to_sparse_on_a_log_axis():
    ax = plot_over_density(table())
    left, right = ax.get_xlim()
    assert left > 1 > 0.09 > right
    assert ax.get_xscale() == "log"
    labels = [ax.xaxis.get_major_formatter()(tick) for tick in ax.xaxis.get_major_locator()()]
    assert labels == ["10", "30", "100"]


def test_plot_over_density_draws_no_band_without_an_interval_and_breaks_at_undefined_values():
    ax = plot_over_density(table(means=(1.0, np.nan, 3.0), half=np.nan))
    assert not ax.collections
    np.testing.assert_array_equal(lines(ax)["imp"].get_ydata(), [1, np.nan, 3])


def with_replicates(half):
    rows = table(half=half)
    return rows.assign(by_replicate=[(mean - 0.2, mean + 0.2) for mean in rows["mean"]])


def test_replicates_are_dots_and_a_wide_interval_is_cut_but_not_changed():
    ax = plot_over_density(with_replicates(half=40.0), null=1.0)
    dots = [line for line in ax.get_lines() if line.get_marker() == "."]
    assert len(dots) == 2
    np.testing.assert_allclose(dots[0].get_xdata(), [1, 1, 0.3, 0.3, 0.09, 0.09])
    np.testing.assert_allclose(dots[0].get_ydata(), [0.8, 1.2, 1.8, 2.2, 2.8, 3.2])
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (-39, 43)
    low, high = ax.get_ylim()
    assert -0.5 < low < 0.8  # dots from 0.8 to 4.2
    assert 4.2 < high < 5.5


def test_a_narrow_interval_is_shown_whole():
    rows = with_replicates(half=0.3)
    low, high = plot_over_density(rows).get_ylim()
    assert low < rows["low"].min()
    assert rows["high"].max() < high
    assert high - low < 4.5


def test_one_replicate_has_no_dot_beside_its_mean():
    rows = table(half=np.nan)
    ax = plot_over_density(rows.assign(by_replicate=[(mean,) for mean in rows["mean"]]))
    assert not [line for line in ax.get_lines() if line.get_marker() == "."]
    low, high = ax.get_ylim()
    assert low < 1 < 4 < high


def test_equal_values_leave_an_axis_of_some_height():
    rows = table(("imp",), means=(2.0, 2.0), half=0.0)
    low, high = plot_over_density(rows.assign(by_replicate=[(2.0, 2.0)] * 2)).get_ylim()
    assert low < 2 < high


def test_plot_differences_shows_single_pairs_and_cuts_wide_intervals():
    rows = pd.DataFrame(
        {
            "condition": ["twin", "random"],
            "reference": ["imp", "imp"],
            "mean": [0.5, -0.2],
            "low": [-9.0, -0.3],
            "high": [10.0, -0.1],
            "by_replicate": [(0.4, 0.6), ()],
        }
    )
    ax = plot_differences(rows)
    (dots,) = [line for line in ax.get_lines() if line.get_marker() == "."]
    assert list(dots.get_xdata()) == [0.4, 0.6]
    assert any(list(line.get_xdata()) == [-9.0, 10.0] for line in ax.get_lines())
    low, high = ax.get_xlim()
    assert -0.6 < low < -0.3
    assert 0.6 < high < 1


def test_plot_over_density_of_nothing_defined_draws_no_line():
    assert not plot_over_density(table(means=(np.nan, np.nan))).get_lines()


def test_plots_draw_on_the_axes_given_and_leave_global_state_alone():
    before = dict(matplotlib.rcParams)
    ax = Figure().add_subplot()
    assert plot_over_density(table(), ax) is ax
    inline_svg(plot_over_density(table()), "a", "b")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("plot", [plot_over_density, lambda bad: plot_controls({"own": bad})])
def test_curves_name_missing_columns(plot):
    with pytest.raises(InputError, match=r"lacks the column\(s\) low, high"):
        plot(table().drop(columns=["low", "high"]))


def frame():
    rows = [
        {"condition": condition, "replicate": replicate, "level": level, "density": 0.5**level}
        | {"layer": "linear_0", "quantity": "locality.near", "value": 1.0 + level + replicate / 10}
        for condition in ("imp", "random")
        for replicate in range(3)
        for level in range(3)
    ]
    return pd.DataFrame(rows)


def test_plot_over_density_takes_the_frame_of_a_run_and_knows_its_quantities():
    ax = plot_over_density(frame(), quantity="locality.near")
    np.testing.assert_allclose(lines(ax)["imp"].get_ydata(), [1.1, 2.1, 3.1])
    assert "chance = 1" in lines(ax)
    assert ax.get_ylabel() == "pairs at |d| ≤ 1.5 pixels / chance"
    other = plot_over_density(frame().replace("locality.near", "mine.own"), quantity="mine.own", null=2.0)
    assert other.get_ylabel() == "mine.own"
    assert "chance = 2" in lines(other)


def test_plot_over_density_names_quantities_and_layers_that_are_not_there():
    with pytest.raises(InputError, match=r"'locality.far' was not measured; there are locality\.near"):
        plot_over_density(frame(), quantity="locality.far")
    with pytest.raises(InputError, match=r"'locality.near' was not measured in linear_7; there are linear_0"):
        plot_over_density(frame(), quantity="locality.near", layer="linear_7")
    with pytest.raises(InputError, match="give run.frame"):
        plot_over_density(table(), quantity="locality.near")


def test_levels_on_top_are_said_to_be_of_one_condition_where_rates_differ():
    faster = table(("random",))
    faster["density"] = 0.1 ** faster["level"]
    assert plot_over_density(table()).child_axes[0].get_xlabel() == "level"
    both = plot_over_density(pd.concat([table(("imp",)), faster]))
    assert both.child_axes[0].get_xlabel() == "level of imp"


def test_plot_differences_draws_means_and_intervals_in_the_conditions_colours():
    rows = pd.DataFrame(
        {
            "condition": ["twin", "random"],
            "reference": ["imp", "imp"],
            "mean": [0.5, -0.2],
            "low": [0.4, np.nan],
            "high": [0.8, np.nan],
        }
    )
    ax = plot_differences(rows, conditions=["imp", "twin", "random"])
    zero, bar, twin, random = ax.get_lines()
    assert list(zero.get_xdata()) == [0, 0]
    assert (list(bar.get_xdata()), list(twin.get_xdata()), list(random.get_xdata())) == (
        [0.4, 0.8],
        [0.5],
        [-0.2],
    )
    known = looks(["imp", "twin", "random"])
    assert (twin.get_color(), random.get_marker()) == (known["twin"].colour, known["random"].marker)
    assert [text.get_text() for text in ax.texts] == ["twin − imp", "random − imp"]
    with pytest.raises(InputError, match="lacks the column\\(s\\) reference"):
        plot_differences(rows.drop(columns="reference"))
    with pytest.raises(InputError, match="has no row"):
        plot_differences(rows[:0])


def test_plot_controls_draws_every_line_in_its_own_look():
    tables = {name: table(("imp",)) for name in ("own", "twin", "shuffled", "random mask", "other")}
    drawn = lines(plot_controls(tables))
    assert {"Gaussian = 0", *tables} == set(drawn)
    assert len({(drawn[name].get_color(), drawn[name].get_marker()) for name in tables}) == 5


def test_plot_controls_needs_a_line():
    with pytest.raises(InputError, match="tables is empty"):
        plot_controls({})


def test_looks_are_distinct_for_many_conditions():
    found = looks([f"c{number}" for number in range(20)])
    assert len({(look.colour, look.dashes) for look in found.values()}) == 20


def test_field_colours_show_three_channels_as_red_green_blue():
    geometry = Geometry(3, (2, 2))
    weight = np.zeros((1, 12), np.float32)
    weight[0, 4] = 1.0  # green, first pixel
    weight[0, 11] = -1.0  # blue, last pixel
    colours = field_colours(weight, geometry)
    assert colours.shape == (1, 2, 2, 3)
    assert colours[0, 0, 1].tolist() == [128, 128, 128]
    assert colours[0, 0, 0].tolist() == [128, round(127.5 + 127.5 / SATURATION), 128]
    assert colours[0, 1, 1].tolist() == [128, 128, round(127.5 - 127.5 / SATURATION)]


def test_field_colours_show_one_channel_by_sign():
    colours = field_colours(np.array([[1.0, -1.0, 0.0, 1e-9]]), Geometry(1, (4,)))[0, 0].astype(int)
    assert colours[0, 0] > colours[0, 2]  # vermilion
    assert colours[1, 2] > colours[1, 0]  # blue
    np.testing.assert_array_equal(colours[2], PRUNED)
    np.testing.assert_array_equal(colours[3], signed_table()[127])


def test_a_pixel_is_pruned_only_if_no_channel_has_a_weight():
    colours = field_colours(np.array([[1.0, 0.0, 0.0, -1.0, 0.0, 0.5]]), Geometry(2, (3,)))[0, 0]
    np.testing.assert_array_equal(colours[0], signed_table()[127])  # they cancel
    np.testing.assert_array_equal(colours[1], PRUNED)
    assert (colours[2] != PRUNED).any()


def test_field_colours_do_not_depend_on_the_scale_of_a_unit():
    weight = np.random.default_rng(0).normal(size=(2, 12))
    scaled = weight * np.array([[1e-3], [1e3]])
    geometry = Geometry(3, (2, 2))
    np.testing.assert_array_equal(field_colours(weight, geometry), field_colours(scaled, geometry))


def test_field_colours_of_a_mask_are_white_where_all_channels_are_kept():
    mask = np.array([[True, False, True, False, True, True]])
    assert field_colours(mask, Geometry(3, (1, 2)))[0, 0].tolist() == [[255, 255, 255], [0, 0, 255]]
    assert field_colours(mask, Geometry(2, (3,)))[0, 0, :, 0].tolist() == [128, 128, 255]


def test_field_colours_refuse_rows_that_do_not_fit():
    with pytest.raises(InputError, match=r"weight has shape \(2, 5\)"):
        field_colours(np.zeros((2, 5)), Geometry(1, (4,)))


def test_mosaic_puts_every_field_in_its_place():
    fields = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint8)
    picture = mosaic(fields, columns=2, gap=1)
    assert picture.shape == (8, 7, 4)
    for place in range(5):
        y, x = place // 2 * 3, place % 2 * 4
        assert (picture[y : y + 2, x : x + 3, :3] == place).all()
    assert picture[..., 3].sum() == 255 * 5 * 6


def test_mosaic_of_one_dimensional_fields_is_heat_rows():
    assert mosaic(np.zeros((4, 1, 6, 3), np.uint8)).shape == (4, 6, 4)


def test_plot_receptive_fields_sorts_by_fan_in_unless_told():
    weight = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    shown = plot_receptive_fields(weight, Geometry(1, (3,))).images[0].get_array()
    np.testing.assert_array_equal(shown[:, :, :3], field_colours(weight[[1, 2, 0]], Geometry(1, (3,)))[:, 0])


@pytest.mark.parametrize(("num", "at_most", "expected"), [(5, 9, 5), (9, 5, 5), (1, 4, 1), (0, 4, 0)])
def test_evenly_spaced_keeps_both_ends(num, at_most, expected):
    chosen = evenly_spaced(num, at_most)
    assert len(chosen) == expected
    if num:
        assert {int(chosen[0]), int(chosen[-1])} == {0, num - 1}


def test_plot_fan_out_sums_channels():
    fan_out = np.arange(12, dtype=np.float64)
    shown = plot_fan_out(fan_out, Geometry(3, (2, 2))).images[0].get_array()
    np.testing.assert_array_equal(shown, [[12, 15], [18, 21]])
    curve = plot_fan_out(np.arange(6.0), Geometry(2, (3,)))
    np.testing.assert_array_equal(curve.get_lines()[0].get_ydata(), [3, 5, 7])
    with pytest.raises(InputError, match=r"fan_out has shape \(5,\)"):
        plot_fan_out(np.zeros(5), Geometry(1, (4,)))


@pytest.mark.parametrize("geometry", [Geometry(1, (6, 6)), Geometry(2, (20,), wraps=True)])
def test_plot_locality_map_draws_log2_of_the_ratio(geometry):
    expected = np.full(geometry.distances().shape, 10.0)
    counts = np.full_like(expected, 40.0)
    counts[(0,) * counts.ndim] = 0.0
    expected[(1,) * counts.ndim] = 1.0
    ax = plot_locality_map(counts, expected, geometry)
    drawn = ax.images[0].get_array() if counts.ndim == 2 else ax.get_lines()[1].get_ydata()
    drawn = np.ma.filled(drawn, np.nan)
    assert drawn[(0,) * counts.ndim] == -3.0  # no pair at all: the darkest blue
    assert np.isnan(drawn[(1,) * counts.ndim])  # too few expected
    assert drawn[(-1,) * counts.ndim] == 2.0


def test_plot_locality_map_refuses_another_geometry():
    with pytest.raises(InputError, match=r"have shapes \(3, 3\) and \(3, 3\); \(5, 5\) fits"):
        plot_locality_map(np.zeros((3, 3)), np.zeros((3, 3)), Geometry(1, (3, 3)))


def test_plot_locality_profile_of_random_masks_lies_at_chance():
    geometry = Geometry(1, (16, 16))
    mask = np.random.default_rng(0).random((400, 256)) < 0.2
    found = locality(mask, geometry)
    ax = plot_locality_profile({0: found.same_channel}, {0: found.same_channel_expected}, geometry)
    drawn = lines(ax)["level 0"].get_ydata()
    np.testing.assert_allclose(drawn[1:10], 1, atol=0.02)


def test_plot_fan_in_shows_the_binomial_of_random_pruning():
    fan_in = np.random.default_rng(0).binomial(200, 0.2, size=4000)
    ax = plot_fan_in({"random": fan_in}, 200)
    chance = lines(ax)["binomial (random pruning)"]
    width = np.diff(chance.get_xdata())[0]
    assert width == 1
    share = binom.pmf(chance.get_xdata(), 200, fan_in.mean() / 200)
    np.testing.assert_allclose(chance.get_ydata(), share, atol=1e-12)
    drawn = ax.patches[0].get_data().values
    assert drawn.sum() == pytest.approx(1)
    np.testing.assert_allclose(drawn, share, atol=0.02)


def test_plot_fan_in_needs_units():
    with pytest.raises(InputError, match="fan_in holds no unit"):
        plot_fan_in({"imp": np.zeros(0)}, 10)


def test_quantiles_leave_undefined_entries_out():
    expected = {"q5": 5, "q25": 25, "q50": 50, "q75": 75, "q95": 95}
    assert quantiles_of(np.array([np.nan, *range(101)])) == expected
    assert np.isnan(list(quantiles_of(np.array([np.nan])).values())).all()


def test_quantiles_count_values_by_their_weights():
    stream = np.random.default_rng(0)
    values, weights = stream.normal(size=50), stream.integers(0, 4, 50)
    repeated = np.repeat(values, weights)
    expected = np.quantile(repeated, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf")
    found = quantiles_of(values, weights.astype(float))
    np.testing.assert_array_equal(list(found.values()), expected)
    assert np.isnan(list(quantiles_of(values, np.zeros(50)).values())).all()


def test_plot_cavity_distributions_marks_the_medians():
    rows = [
        {"condition": "imp", "level": level, "density": 0.5**level, "group": group}
        | dict(zip(("q5", "q25", "q50", "q75", "q95"), np.arange(5) - 2.0 + sign * level, strict=True))
        for level in range(3)
        for group, sign in (("kept", 1), ("pruned", -1))
    ]
    drawn = lines(plot_cavity_distributions(pd.DataFrame(rows)))
    np.testing.assert_array_equal(drawn["kept"].get_ydata(), [0, 1, 2])
    np.testing.assert_array_equal(drawn["pruned"].get_ydata(), [0, -1, -2])
    with pytest.raises(InputError, match=r"lacks the column\(s\) group"):
        plot_cavity_distributions(pd.DataFrame(rows).drop(columns="group"))


def test_inline_svg_asks_for_nothing_from_outside_and_takes_the_page_s_colours():
    text = inline_svg(plot_over_density(table(("imp",))), "f-1", 'κ < 1 & "so"')
    assert text.startswith("<svg ")
    assert "&lt; 1 &amp;" in text
    assert "var(--c0)" in text
    assert "currentColor" in text
    assert "#0072b2" not in text
    without_names = text.replace("http://www.w3.org/1999/xlink", "").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in without_names
    other = inline_svg(plot_over_density(table(("imp",))), "f-2", "b")
    ids = [part.split('"')[0] for part in (text + other).split(' id="')[1:]]
    assert len(ids) == len(set(ids))
