"""Panels: plots with their headings and captions, which the report shows and `write_figures` saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from sparsight.figures import (
    CATALOGUE,
    plot_cavity_distributions,
    plot_cavity_map,
    plot_controls,
    plot_differences,
    plot_fan_in,
    plot_fan_out,
    plot_locality_levels,
    plot_locality_map,
    plot_locality_profile,
    plot_over_density,
    plot_preactivations,
    plot_receptive_fields,
)
from sparsight.report._evidence import Evidence
from sparsight.report._findings import Finding
from sparsight.report._subjects import Summaries
from sparsight.report._svg import inline_svg

_MAPS = (("same_channel", "fan_in"), ("same_channel", "configuration"), ("different_channel", "fan_in"))


@dataclass(frozen=True, eq=False)
class Panel:
    """A plot with its heading and caption."""

    name: str  # distinct among the panels of a report
    title: str
    ax: Axes  # the only one of its Figure, apart from colour bars
    caption: str  # one or more full sentences

    @property
    def identifier(self) -> str:
        """The name in letters, digits and hyphens, for ids and file names."""
        plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in self.name)
        return "-".join(part for part in plain.split("-") if part)

    @property
    def figure(self) -> Markup:
        """The plot as an ``<svg>`` element; replaces the layout of the Figure."""
        return Markup(inline_svg(self.ax, f"f-{self.identifier}", f"{self.title}. {self.caption}"))


def curve_panels(
    summaries: Summaries, layer: str, *, with_network: bool = True, legend: bool = False
) -> list[Panel]:
    """Return the curve over density of every quantity that was measured in a layer.

    `with_network` includes quantities of the whole network. The report has one legend for all panels, so
    that they need none of their own.
    """
    panels = []
    for words in summaries.curves():
        quantity, where = words.name, words.layer(layer)
        if (words.scope == "network" and not with_network) or not summaries.has(quantity, where):
            continue
        ax = plot_over_density(
            summaries.intervals(quantity, where),
            ylabel=words.label,
            null=words.null,
            null_label=words.null_label,
            legend=legend,
        )
        panels.append(Panel(f"{layer}-{quantity}", words.title, ax, words.caption))
    return panels


def control_panels(summaries: Summaries, layer: str, *, with_network: bool = True) -> list[list[Panel]]:
    """Return, for each measured family, one panel per condition beside its controls, all on one scale.

    `with_network` includes families of the whole network.
    """
    groups = []
    for family in CATALOGUE.families:
        words = family.words
        if words.scope == "network" and not with_network:
            continue
        drawn: dict[str, Axes] = {}
        for condition in summaries.conditions:
            tables = _defined_lines(summaries, words.layer(layer), family.lines, condition)
            if tables:
                drawn[condition] = plot_controls(
                    tables, ylabel=words.label, null=words.null, null_label=words.null_label
                )
        # One scale for all conditions: they are read side by side.
        limits = [ax.get_ylim() for ax in drawn.values()]
        for ax in drawn.values():
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        if drawn:
            groups.append(
                [
                    Panel(f"{layer}-{family.name}-{name}", f"{family.title}: {name}", ax, family.caption)
                    for name, ax in drawn.items()
                ]
            )
    return groups


def _defined_lines(
    summaries: Summaries, layer: str, lines: Mapping[str, str], condition: str
) -> dict[str, pd.DataFrame]:
    tables = {}
    for line, quantity in lines.items():
        if summaries.has(quantity, layer):
            table = summaries.intervals(quantity, layer)
            of_condition = table[table["condition"] == condition]
            if of_condition["mean"].notna().any():
                tables[line] = of_condition
    return tables


def difference_panels(found: Sequence[Finding], conditions: Sequence[str]) -> list[Panel]:
    """Return, for each finding, the differences between conditions with their intervals."""
    panels = []
    for finding in found:
        if not finding.differences:
            continue
        rows = [
            {"condition": cell.condition, "reference": cell.reference}
            | {"mean": cell.interval.mean, "low": cell.interval.low, "high": cell.interval.high}
            | {"by_replicate": cell.by_replicate}
            for cell in finding.differences
        ]
        words = finding.quantity
        ax = plot_differences(
            pd.DataFrame(rows),
            xlabel=f"difference in {words.title[:1].lower()}{words.title[1:]}",
            conditions=conditions,
        )
        caption = (
            f"{words.caption} Marks: differences of means over replicates, {_pairing(finding)}; dots: single "
            "pairs; bars: Student's 95 % intervals, cut at the edge where they reach far beyond."
        )
        panels.append(Panel(f"difference-{words.name}", words.title, ax, caption))
    return panels


def _pairing(finding: Finding) -> str:
    pairs = {cell.is_paired for cell in finding.differences}
    if len(pairs) == 2:
        return "paired by seed where seeds are shared"
    return "paired by seed" if pairs == {True} else "not paired, since no seed is shared"


def field_panels(evidence: Evidence) -> list[Panel]:
    """Return the receptive fields of a condition at its first, middle and last level."""
    if not evidence.shows_fields:
        return []
    return [
        Panel(
            f"receptive-fields-{evidence.condition}-level-{level}",
            f"Receptive fields: {evidence.condition}, level {level}",
            plot_receptive_fields(weight, evidence.geometry, order=evidence.order),
            f"Replicate {evidence.replicate}, {evidence.order_words}; each unit has its own colour scale.",
        )
        for level, weight in sorted(evidence.shown.items())
    ]


def unit_panels(evidence: Evidence) -> list[Panel]:
    """Return the pre-activations and the cavity map of the first unit in order, at the last level."""
    panels = []
    where = f"Unit {evidence.sample_unit}, replicate {evidence.replicate}, last level"
    if evidence.sample_histogram is not None and evidence.sample_histogram.any():
        panels.append(
            Panel(
                f"preactivations-{evidence.condition}",
                f"Pre-activations of one unit: {evidence.condition}",
                plot_preactivations(evidence.sample_histogram),
                f"{where}, beside a Gaussian of equal mean and variance.",
            )
        )
    if evidence.sample_cavity is not None and evidence.shows_fields:
        panels.append(
            Panel(
                f"cavity-map-{evidence.condition}",
                f"Cavity map of one unit: {evidence.condition}",
                plot_cavity_map(evidence.sample_cavity, evidence.geometry),
                f"{where}: what each weight adds to the unit's kurtosis κ.",
            )
        )
    return panels


def locality_panels(evidence: Evidence) -> list[Panel]:
    """Return S(d) of a condition over chance: its profiles at all levels, and maps at the last level."""
    levels = evidence.levels_with("same_channel")
    if not levels:
        return []
    name, last = evidence.condition, levels[-1]
    profile = plot_locality_profile(*evidence.pair_counts("same_channel", levels), evidence.geometry)
    panels = [
        Panel(
            f"profile-{name}",
            f"S(d) over distance: {name}",
            profile,
            "Pairs in the same channel, all units and replicates, relative to "
            f"{CATALOGUE.nulls['fan_in']}. One line per level, from dark to light with pruning.",
        )
    ]
    for kind, null in _MAPS:
        if (kind, last) in evidence.pairs and (kind, null, last) in evidence.expected:
            counts, expected = evidence.pairs[kind, last], evidence.expected[kind, null, last]
            words, chance = CATALOGUE.pair_kinds[kind], CATALOGUE.nulls[null]
            panels.append(
                Panel(
                    f"map-{kind}-{null}-{name}",
                    f"S(d), {words}, {null.replace('_', '-')} null: {name}",
                    plot_locality_map(counts, expected, evidence.geometry),
                    f"Pairs at displacement d, {words}, level {last}, relative to {chance}. "
                    "On the log₂ scale, 0 is chance and 1 is twice as often; blank where fewer than 5 pairs "
                    "are expected.",
                )
            )
    return panels


def level_panels(evidence: Evidence) -> list[Panel]:
    """Return S(d) of a condition at several levels, beside its expectation with the fan-in kept."""
    return [
        Panel(
            f"levels-{kind}-{evidence.condition}",
            f"S(d) and its null over levels, {words}: {evidence.condition}",
            plot_locality_levels(*evidence.pair_counts(kind, levels), evidence.geometry),
            f"S(d) and its expectation for {CATALOGUE.nulls['fan_in']}, on one scale, and log₂ of their "
            "ratio: blue where pairs are rarer than expected, vermilion where they are more frequent.",
        )
        for kind, words in CATALOGUE.pair_kinds.items()
        if (levels := evidence.levels_with(kind))
    ]


def connection_panels(gathered: Sequence[Evidence]) -> list[Panel]:
    """Return the fan-in of all conditions, one panel per number of inputs, and the fan-out of each."""
    by_size: dict[int, list[Evidence]] = {}
    for each in gathered:
        if each.fan_in is not None:
            by_size.setdefault(each.geometry.num_inputs, []).append(each)
    panels = [
        Panel(
            f"fan-in-{num_inputs}",
            "Fan-in",
            plot_fan_in({e.condition: e.fan_in for e in alike if e.fan_in is not None}, num_inputs),
            f"Inputs that each unit keeps, out of {num_inputs}, {_levels_of(alike)}, in all replicates, "
            "beside the binomial distribution of random pruning.",
        )
        for num_inputs, alike in by_size.items()
    ]
    panels += [
        Panel(
            f"fan-out-{each.condition}",
            f"Fan-out: {each.condition}",
            plot_fan_out(each.fan_out, each.geometry),
            f"Weights kept on each pixel {_levels_of([each])}, summed over channels and replicates.",
        )
        for each in gathered
        if each.fan_out is not None
    ]
    return panels


def _levels_of(gathered: Sequence[Evidence]) -> str:
    levels = {each.compared_level for each in gathered}
    if len(levels) == 1:
        return f"at level {levels.pop()}"
    return "at " + ", ".join(f"level {each.compared_level} of {each.condition}" for each in gathered)


def cavity_panels(gathered: Sequence[Evidence]) -> list[Panel]:
    """Return the distributions of Δκ over weights by condition: of all weights, and at equal |w|."""
    at_equal_size = (
        " Only weights with a counterpart of similar |w| in their unit, each counted by its share in the "
        "comparison."
    )
    panels = []
    for each in gathered:
        for kind, title, rows, remark in (
            ("cavity", "Δκ of single weights", each.cavity_rows, ""),
            ("cavity-matched", "Δκ at equal |w|", each.matched_rows, at_equal_size),
        ):
            if len(rows) and np.isfinite(rows["q50"]).any():
                panels.append(
                    Panel(
                        f"{kind}-weights-{each.condition}",
                        f"{title}: {each.condition}",
                        plot_cavity_distributions(rows),
                        "Distribution over the weights kept and pruned after each level, replicate "
                        f"{each.replicate}. Thin line: 5 to 95 %; thick line: 25 to 75 %; mark: "
                        f"median.{remark}",
                    )
                )
    return panels
