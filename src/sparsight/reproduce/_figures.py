"""Figures of a claim, from its result table: predictions, and quantities over density."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparsight.figures import PALETTE, looks, words_of
from sparsight.measure import student_interval

_VERDICT_LOOKS = {
    "supported": ("#009e73", "o"),
    "contradicted": ("#d55e00", "X"),
    "equivalent": ("#0072b2", "D"),
    "undecided": (PALETTE.muted, "s"),
}


_MOST_ROWS = 16
"""Rows of a figure, unless more predictions are decisive; the page's table has them all."""


def plot_findings(table: Mapping[str, Any], ax: Axes) -> Axes:
    """Draw the replicates and the interval of each prediction, in units of its own largest number.

    Effects of different kinds share no unit, so each row is divided by its largest absolute number
    (replicate, end of the interval, margin). What can be compared is the position of an interval relative to
    0, to its margin (dotted) and to the effects that count as none (dashed).
    """
    rows = _drawn(table)
    for place, row in enumerate(reversed(rows)):
        colour, marker = _VERDICT_LOOKS[row["verdict"]]
        values = np.array([value for value in row["values"] if value is not None])
        effect, margin = row["effect"], row["rule"]["margin"]
        ends = [end for end in (effect["low"], effect["high"]) if end is not None]
        scale = max(map(abs, [*values, *ends, margin, row["rule"]["equivalence"]]), default=0) or 1.0
        ax.plot(values / scale, np.full(len(values), place + 0.18), ".", color=colour, alpha=0.35, ms=4)
        if len(ends) == 2:
            ax.plot(np.array(ends) / scale, [place, place], color=colour, lw=2.5, solid_capstyle="butt")
        if effect["mean"] is not None:
            ax.plot(effect["mean"] / scale, place, marker, color=colour, ms=6)
        bounds = {-margin, margin} if row["rule"]["expects"] == "within" else {margin}
        none = {-row["rule"]["equivalence"], row["rule"]["equivalence"]} - bounds - {0}
        for bound, dashes in (*((b, ":") for b in bounds), *((b, "--") for b in none)):
            ax.plot([bound / scale] * 2, [place - 0.3, place + 0.3], color=PALETTE.ink, lw=1, ls=dashes)
    ax.axvline(0, color=PALETTE.ink, lw=0.6)
    names = [row["prediction"] if row["decisive"] else f"({row['prediction']})" for row in reversed(rows)]
    ax.set_yticks(range(len(rows)), [name.replace("_", " ") for name in names], fontsize=8)
    ax.set_xlabel(
        "effect, each in units of its own largest number (dotted: margin; dashed: counts as none)", fontsize=8
    )
    ax.tick_params(axis="x", labelsize=8)
    ax.set_xlim(-1.1, 1.1)
    ax.set_ylim(-0.6, len(rows) - 0.3)
    return ax


def _drawn(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the findings that are drawn: the decisive ones, and reported ones up to `_MOST_ROWS` in all."""
    rows = [row for row in table["findings"] if not row["variant"]]
    num_reported = max(_MOST_ROWS - sum(row["decisive"] for row in rows), 0)
    reported = [row for row in rows if not row["decisive"]][:num_reported]
    return [row for row in rows if row["decisive"] or row in reported]


def plot_curve(curve: Mapping[str, Any], quantity: str, ax: Axes) -> None:
    """Draw a quantity over density for each condition: mean and Student's 95 % interval over replicates.

    `curve` maps conditions to ``{"density": [...], "values": [[...], ...]}``, values over (replicate, level).
    The conditions of a study without pruning are drawn side by side instead.
    """
    pruned = any(len(found["density"]) > 1 for found in curve.values())
    look_of = looks(list(curve))
    for place, (condition, found) in enumerate(curve.items()):
        values = np.array(found["values"], np.float64)  # (replicate, level); None becomes NaN
        intervals = [student_interval(column) for column in values.T]
        means = np.array([interval.mean for interval in intervals])
        ends = np.array([[i.low, i.high] for i in intervals])
        look = look_of[condition]
        # One level means a study without pruning: no density to draw over.
        at = np.array(found["density"]) if pruned else np.array([place])
        errors = np.abs(ends - means[:, None]).T
        style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ls": look.dashes}
        ax.errorbar(at, means, errors, label=condition, ms=3, lw=1.2, **style)
    if pruned:
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.xaxis.set_major_locator(FixedLocator([1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda density, _: f"{100 * density:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("density (%)", fontsize=8)
        ax.legend(fontsize=6, frameon=False)
    else:
        ax.set_xticks(range(len(curve)), list(curve), fontsize=7, rotation=45)
        ax.set_xlabel("condition", fontsize=8)
    words = words_of(quantity)
    ax.set_ylabel(words.short_label or words.label, fontsize=8)
    ax.tick_params(labelsize=8)


def draw_claim(table: Mapping[str, Any]) -> Figure:
    """Return the figure of a claim: its predictions on the left, its curves on the right."""
    curves = list(table["curves"].items())
    num_rows = len(_drawn(table))
    widths = [1.7, *[1.0] * len(curves)]
    size = (6.5 + 3.4 * len(curves), max(3.2, 0.36 * num_rows + 1))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)
    plot_findings(table, axes[0, 0])
    for ax, (name, curve) in zip(axes[0, 1:], curves, strict=True):
        study, _, quantity = name.partition("/")
        plot_curve(curve, quantity, ax)
        ax.set_title(study, fontsize=9)
    return figure
