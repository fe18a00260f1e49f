"""The panels of the page: which quantities are drawn, and what is written under them."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.image import imsave

from sparsight.report.cavity_figures import plot_cavity_distributions
from sparsight.report.evidence import Evidence
from sparsight.report.field_figures import evenly_spaced, field_colours, mosaic, plot_fan_out
from sparsight.report.figures import plot_controls, plot_over_density
from sparsight.report.findings import Summaries
from sparsight.report.locality_figures import plot_fan_in, plot_locality_map, plot_locality_profile
from sparsight.report.svg import inline_svg
from sparsight.run.results import NETWORK

_UNITS_IN_MOSAIC = 25


@dataclass(frozen=True)
class Panel:
    """A figure with its heading and a caption.

    Attributes
    ----------
    title : str
    figure : Markup
    caption : str
    """

    title: str
    figure: Markup
    caption: str


@dataclass(frozen=True)
class Mosaic:
    """Receptive fields of one condition at one level, as an image.

    Attributes
    ----------
    condition, level : str, int
    density : float
    source : str
        A data URI.
    width, height : int
        In pixels.
    is_line : bool
        Whether units are heat rows.
    """

    condition: str
    level: int
    density: float
    source: str
    width: int
    height: int
    is_line: bool


@dataclass(frozen=True)
class _Curve:
    quantity: str
    title: str
    ylabel: str
    caption: str
    null: float | None = None
    null_label: str = "chance"
    scope: str = "layer"


_CHANCE = "1 is what random masks with the same fan-in give."
CURVES = (
    _Curve("test_accuracy", "Accuracy", "test accuracy", "Share of held-out samples classified correctly.",
           scope=NETWORK),
    _Curve("locality.near", "Near-locality", "near pairs / chance",
           f"Pairs of kept inputs of one unit, same channel, at most 1.5 pixels apart. {_CHANCE}", 1.0),
    _Curve("locality.near_configuration", "Near-locality, stricter null", "near pairs / chance",
           "The same, over random masks that keep each input's number of weights too.", 1.0),
    _Curve("locality.far", "Far-locality", "far pairs / chance",
           f"Pairs at least a quarter of the image apart. {_CHANCE}", 1.0),
    _Curve("locality.radius_of_gyration", "Radius of gyration", "radius / chance",
           f"Root mean squared distance between kept inputs. {_CHANCE} Below 1: compact.", 1.0),
    _Curve("gaussianity.excess_kurtosis", "Kurtosis of pre-activations", "excess kurtosis κ",
           "Mean over units; all classes together.", 0.0, "Gaussian"),
    _Curve("gaussianity.excess_kurtosis_within_class", "Kurtosis within classes", "excess kurtosis κ",
           "Within each class, then the mean: free of the mixture of classes.", 0.0, "Gaussian"),
    _Curve("gaussianity.excess_kurtosis_beyond_random_mask", "Kurtosis beyond a random mask",
           "κ − κ of the control",
           "Minus κ of the same weights on as many randomly drawn inputs: few summands alone are "
           "less Gaussian.", 0.0, "no effect"),
    _Curve("cavity.delta_kurtosis_difference", "Cavity: kept minus pruned", "Δκ kept − Δκ pruned",
           "Δκ of a weight: κ of its unit with it minus without it.", 0.0, "no effect"),
    _Curve("cavity.delta_kurtosis_matched_difference", "The same at equal |w|", "Δκ kept − Δκ pruned",
           "Compared within units among weights of similar size; few pairs are left where pruning is "
           "by size.", 0.0, "no effect"),
    _Curve("cavity.delta_kurtosis_auc", "Cavity: rank-AUC", "P(Δκ kept > Δκ pruned)",
           "Probability that a weight kept has a larger Δκ than one pruned.", 0.5, "no effect"),
    _Curve("cavity.delta_abs_kurtosis_difference", "Cavity of |κ|: kept minus pruned", "Δ|κ| kept − pruned",
           "The same for the absolute value: away from the Gaussian in either direction.", 0.0, "no effect"),
    _Curve("connected_units", "Connected units", "units",
           "Hidden units on a path from input to output.", scope=NETWORK),
)  # fmt: skip

_FAMILIES: tuple[tuple[str, str, dict[str, str], str, float | None, str], ...] = (
    (
        "κ beside its controls",
        "excess kurtosis κ",
        {
            "own": "gaussianity.excess_kurtosis",
            "twin": "gaussianity.excess_kurtosis_twin",
            "shuffled": "gaussianity.excess_kurtosis_shuffled",
            "random mask": "gaussianity.excess_kurtosis_random_mask",
            "within classes": "gaussianity.excess_kurtosis_within_class",
        },
        "own: the network's weights on its data. twin: the same weights on Gaussian data of equal "
        "covariance. shuffled: weights exchanged among a unit's kept inputs. random mask: same weights, "
        "inputs drawn anew.",
        0.0,
        "Gaussian",
    ),
    (
        "Δκ, kept and pruned",
        "mean Δκ of a weight",
        {"kept": "cavity.delta_kurtosis_kept", "pruned": "cavity.delta_kurtosis_pruned"},
        "Mean over the weights that pruning keeps after the level, and over those that it removes.",
        0.0,
        "no effect",
    ),
    (
        "ipr beside chance",
        "inverse participation ratio",
        {"own": "locality.ipr", "Gaussian weights": "locality.ipr_null"},
        "Σw⁴/(Σw²)², beside that of as many independent Gaussian weights: it rises with sparsity alone.",
        None,
        "",
    ),
)


def curve_panels(summaries: Summaries, layer: str, *, with_network: bool = True) -> list[Panel]:
    """Return the curves over density of every quantity that was measured in a layer."""
    panels = []
    for curve in CURVES:
        where = NETWORK if curve.scope == NETWORK else layer
        if (curve.scope == NETWORK and not with_network) or not summaries.has(curve.quantity, where):
            continue
        ax = plot_over_density(
            summaries.intervals(curve.quantity, where),
            ylabel=curve.ylabel,
            null=curve.null,
            null_label=curve.null_label,
            legend=False,
        )
        panels.append(_panel(ax, f"{layer}-{curve.quantity}", curve.title, curve.caption))
    return panels


def control_panels(summaries: Summaries, layer: str) -> list[list[Panel]]:
    """Return, for κ, Δκ and ipr, one panel a condition beside its controls, on a common scale."""
    return [panels for family in _FAMILIES if (panels := _family(summaries, layer, *family))]


def _family(
    summaries: Summaries,
    layer: str,
    title: str,
    ylabel: str,
    lines: dict[str, str],
    caption: str,
    null: float | None,
    null_label: str,
) -> list[Panel]:
    present = {name: quantity for name, quantity in lines.items() if summaries.has(quantity, layer)}
    drawn: dict[str, Axes] = {}
    for condition in summaries.conditions if present else ():
        tables = {}
        for name, quantity in present.items():
            table = summaries.intervals(quantity, layer)
            mine = table[table["condition"] == condition]
            if mine["mean"].notna().any():
                tables[name] = mine
        if tables:
            drawn[condition] = plot_controls(tables, ylabel=ylabel, null=null, null_label=null_label)
    limits = [ax.get_ylim() for ax in drawn.values()]
    for ax in drawn.values():
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return [
        _panel(ax, f"{layer}-{title}-{condition}", f"{title}: {condition}", caption)
        for condition, ax in drawn.items()
    ]


def locality_panels(evidence: Evidence) -> list[Panel]:
    """Return S(d) of a condition: its profile over levels, and maps at the last level beside the nulls."""
    levels = sorted(level for kind, level in evidence.pairs if kind == "same_channel")
    if not levels:
        return []
    counts = {level: evidence.pairs["same_channel", level] for level in levels}
    expected = {level: evidence.expected["same_channel", "fan_in", level] for level in levels}
    name = evidence.condition
    profile = plot_locality_profile(counts, expected, evidence.geometry)
    panels = [
        _panel(
            profile,
            f"profile-{name}",
            f"S(d) over distance: {name}",
            "Same channel, all units and replicates, over random masks of equal fan-in; a line a level, dark "
            "to light with pruning.",
        )
    ]
    words = {
        ("same_channel", "fan_in"): "same channel, over random masks of equal fan-in",
        ("same_channel", "configuration"): "same channel, over masks that keep each input's number too",
        ("different_channel", "fan_in"): "different channels, over random masks of equal fan-in",
    }
    for (kind, null), meaning in words.items():
        if (kind, levels[-1]) in evidence.pairs and (kind, null, levels[-1]) in evidence.expected:
            ax = plot_locality_map(
                evidence.pairs[kind, levels[-1]],
                evidence.expected[kind, null, levels[-1]],
                evidence.geometry,
            )
            panels.append(
                _panel(
                    ax,
                    f"map-{kind}-{null}-{name}",
                    f"S(d), {kind.replace('_', ' ')}, {null.replace('_', '-')} null: {name}",
                    f"Level {levels[-1]}, {meaning}. 0 is chance, 1 twice as often; blank: under 5 pairs "
                    "expected.",
                )
            )
    return panels


def connection_panels(gathered: Sequence[Evidence], level: int) -> list[Panel]:
    """Return the fan-in of all conditions in one panel, and the fan-out of each."""
    measured = [each for each in gathered if each.fan_in is not None and each.fan_out is not None]
    if not measured:
        return []
    fan_in = {each.condition: each.fan_in for each in measured if each.fan_in is not None}
    panels = [
        _panel(
            plot_fan_in(fan_in, measured[0].geometry.num_inputs),
            "fan-in",
            "Fan-in",
            f"Kept inputs of each unit at level {level}, all replicates, and the binomial of random pruning.",
        )
    ]
    for each in measured:
        assert each.fan_out is not None
        panels.append(
            _panel(
                plot_fan_out(each.fan_out, each.geometry),
                f"fan-out-{each.condition}",
                f"Fan-out: {each.condition}",
                f"Kept weights on each pixel at level {level}, summed over channels and replicates.",
            )
        )
    return panels


def cavity_panels(gathered: Sequence[Evidence]) -> list[Panel]:
    """Return the distribution of Δκ over weights at each level, one panel a condition."""
    return [
        _panel(
            plot_cavity_distributions(each.cavity_rows),
            f"cavity-{each.condition}",
            f"Δκ of single weights: {each.condition}",
            f"Replicate {each.replicate}. Thin: 5 to 95 %, thick: 25 to 75 %, mark: median.",
        )
        for each in gathered
        if len(each.cavity_rows) and np.isfinite(each.cavity_rows["q50"]).any()
    ]


def mosaics(evidence: Evidence, density_of: Callable[[int], float]) -> Iterator[Mosaic]:
    """Yield the receptive fields at the first, middle and last level, units in the evidence's order."""
    for level, weight in sorted(evidence.shown.items()):
        order = evidence.order
        is_line = len(evidence.geometry.size) == 1
        chosen = order if is_line else order[evenly_spaced(len(order), _UNITS_IN_MOSAIC)]
        picture = mosaic(field_colours(weight[chosen], evidence.geometry))
        height, width = picture.shape[:2]
        yield Mosaic(evidence.condition, level, density_of(level), _png(picture), width, height, is_line)


def interval_rows(summaries: Summaries, layers: Sequence[str]) -> list[dict[str, Any]]:
    """Return every interval that the page draws, as plain rows; NaN becomes None."""
    names = {curve.quantity: curve.scope for curve in CURVES}
    names |= {quantity: "layer" for *_, in_family, _, _, _ in _FAMILIES for quantity in in_family.values()}
    rows: list[dict[str, Any]] = []
    for quantity, scope in names.items():
        for layer in (NETWORK,) if scope == NETWORK else layers:
            if summaries.has(quantity, layer):
                table = summaries.intervals(quantity, layer)
                plain = table.astype(object).where(table.notna(), None)
                rows += [{"quantity": quantity, "layer": layer} | row for row in _records(plain)]
    return rows


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _panel(ax: Axes, name: str, title: str, caption: str) -> Panel:
    identifier = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name)
    return Panel(title, Markup(inline_svg(ax, f"f-{identifier}", f"{title}. {caption}")), caption)


def _png(picture: np.ndarray) -> str:
    file = io.BytesIO()
    imsave(file, picture, format="png", pil_kwargs={"compress_level": 9})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
