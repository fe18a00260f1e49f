"""The panels of S(d), fan-in and fan-out, cavity effects, single units, and differences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sparsight.figures import (
    plot_cavity_distributions,
    plot_cavity_map,
    plot_differences,
    plot_fan_in,
    plot_fan_out,
    plot_locality_levels,
    plot_locality_map,
    plot_locality_profile,
    plot_preactivations,
)
from sparsight.report._evidence import PAIRS, Evidence
from sparsight.report._findings import Finding
from sparsight.report._panel import Panel


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
        Panel(
            f"profile-{name}",
            f"S(d) over distance: {name}",
            profile,
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
                Panel(
                    f"map-{kind}-{null}-{name}",
                    f"S(d), {kind.replace('_', ' ')}, {null.replace('_', '-')} null: {name}",
                    ax,
                    f"Level {levels[-1]}, {meaning}. 0 is chance, 1 twice as often; blank: under 5 pairs "
                    "expected.",
                )
            )
    return panels


def level_panels(evidence: Evidence) -> list[Panel]:
    """Return S(d) of a condition at several levels beside the null that keeps fan-in, for paper."""
    panels = []
    for kind in PAIRS:
        levels = sorted(level for each, level in evidence.pairs if each == kind)
        if levels:
            ax = plot_locality_levels(
                {level: evidence.pairs[kind, level] for level in levels},
                {level: evidence.expected[kind, "fan_in", level] for level in levels},
                evidence.geometry,
            )
            words = kind.replace("_", " ")
            panels.append(
                Panel(
                    f"levels-{kind}-{evidence.condition}",
                    f"S(d) and its null over levels, {words}: {evidence.condition}",
                    ax,
                    "S(d) and its expectation over random masks of equal fan-in, on one scale; blue: fewer, "
                    "vermilion: more than expected.",
                )
            )
    return panels


def connection_panels(gathered: Sequence[Evidence]) -> list[Panel]:
    """Return the fan-in of all conditions in one panel (one a number of inputs), and the fan-out of each."""
    measured = [each for each in gathered if each.fan_in is not None and each.fan_out is not None]
    panels = []
    for num_inputs in dict.fromkeys(each.geometry.num_inputs for each in measured):
        alike = [each for each in measured if each.geometry.num_inputs == num_inputs]
        fan_in = {each.condition: each.fan_in for each in alike if each.fan_in is not None}
        panels.append(
            Panel(
                f"fan-in-{num_inputs}",
                "Fan-in",
                plot_fan_in(fan_in, num_inputs),
                f"Kept inputs of each unit, of {num_inputs}, {_levels_of(alike)}, all replicates, and the "
                "binomial of random pruning.",
            )
        )
    for each in measured:
        assert each.fan_out is not None
        panels.append(
            Panel(
                f"fan-out-{each.condition}",
                f"Fan-out: {each.condition}",
                plot_fan_out(each.fan_out, each.geometry),
                f"Kept weights on each pixel {_levels_of([each])}, summed over channels and replicates.",
            )
        )
    return panels


def _levels_of(gathered: Sequence[Evidence]) -> str:
    levels = {each.compared_level for each in gathered}
    if len(levels) == 1:
        return f"at level {levels.pop()}"
    return "at " + ", ".join(f"level {each.compared_level} of {each.condition}" for each in gathered)


def cavity_panels(gathered: Sequence[Evidence]) -> list[Panel]:
    """Return the distribution of Δκ over weights at each level, of all and at equal |w|, by condition."""
    panels = []
    for each in gathered:
        for name, rows, title, words in (
            ("cavity", each.cavity_rows, "Δκ of single weights", ""),
            ("cavity-matched", each.matched_rows, "Δκ at equal |w|", " Weights compared at equal |w| in "
             "their unit, as they count in that comparison."),
        ):  # fmt: skip
            if len(rows) and np.isfinite(rows["q50"]).any():
                panels.append(
                    Panel(
                        f"{name}-weights-{each.condition}",
                        f"{title}: {each.condition}",
                        plot_cavity_distributions(rows),
                        f"Replicate {each.replicate}. Thin: 5 to 95 %, thick: 25 to 75 %, mark: median."
                        f"{words}",
                    )
                )
    return panels


def unit_panels(evidence: Evidence) -> list[Panel]:
    """Return what the explorer shows of a unit, for the first in the evidence's order at its last level."""
    panels = []
    where = f"unit {evidence.sample_unit}, replicate {evidence.replicate}, last level"
    if evidence.sample_histogram is not None and evidence.sample_histogram.any():
        panels.append(
            Panel(
                f"preactivations-{evidence.condition}",
                f"Pre-activations of one unit: {evidence.condition}",
                plot_preactivations(evidence.sample_histogram),
                f"{where}, beside the Gaussian of equal mean and variance.",
            )
        )
    if evidence.sample_cavity is not None and evidence.shows_fields:
        panels.append(
            Panel(
                f"cavity-map-{evidence.condition}",
                f"Cavity map of one unit: {evidence.condition}",
                plot_cavity_map(evidence.sample_cavity, evidence.geometry),
                f"{where}: what each weight adds to the unit's κ.",
            )
        )
    return panels


def difference_panels(found: Sequence[Finding], conditions: Sequence[str]) -> list[Panel]:
    """Return, for each aspect, the differences with their intervals."""
    panels = []
    for finding in found:
        if not finding.differences:
            continue
        rows = [
            {"condition": cell.condition, "reference": cell.reference}
            | {"mean": cell.interval.mean, "low": cell.interval.low, "high": cell.interval.high}
            for cell in finding.differences
        ]
        aspect = finding.aspect
        panels.append(
            Panel(
                f"difference-{aspect.quantity}",
                aspect.title,
                plot_differences(
                    pd.DataFrame(rows),
                    xlabel=f"difference in {aspect.title[:1].lower()}{aspect.title[1:]}",
                    conditions=conditions,
                ),
                f"{_capitalised(aspect.meaning)}. Differences of means over replicates, "
                f"{_pairing(finding)}; bars: 95 % intervals.",
            )
        )
    return panels


def _pairing(finding: Finding) -> str:
    pairs = {cell.is_paired for cell in finding.differences}
    if len(pairs) == 2:
        return "paired where seeds are shared"
    return "paired by seed" if pairs == {True} else "not paired, for no seed is shared"


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]
