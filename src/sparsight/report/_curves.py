"""The panels of quantities over density, with and without their controls."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from sparsight.figures import CURVES, FAMILIES, Family, plot_controls, plot_over_density
from sparsight.report._panel import Panel
from sparsight.report._subjects import Summaries
from sparsight.store import NETWORK


def curve_panels(
    summaries: Summaries, layer: str, *, with_network: bool = True, legend: bool = False
) -> list[Panel]:
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
            legend=legend,
        )
        panels.append(Panel(f"{layer}-{curve.quantity}", curve.title, ax, curve.caption))
    return panels


def control_panels(summaries: Summaries, layer: str) -> list[list[Panel]]:
    """Return, for each family that was measured, a panel a condition beside its controls, on one scale."""
    return [panels for family in FAMILIES if (panels := _family_panels(summaries, layer, family))]


def _family_panels(summaries: Summaries, layer: str, family: Family) -> list[Panel]:
    present = {line: quantity for line, quantity in family.lines.items() if summaries.has(quantity, layer)}
    drawn: dict[str, Axes] = {}
    for condition in summaries.conditions if present else ():
        tables = {}
        for line, quantity in present.items():
            table = summaries.intervals(quantity, layer)
            mine = table[table["condition"] == condition]
            if mine["mean"].notna().any():
                tables[line] = mine
        if tables:
            drawn[condition] = plot_controls(
                tables, ylabel=family.ylabel, null=family.null, null_label=family.null_label
            )
    limits = [ax.get_ylim() for ax in drawn.values()]
    for ax in drawn.values():
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    return [
        Panel(f"{layer}-{family.name}-{condition}", f"{family.title}: {condition}", ax, family.caption)
        for condition, ax in drawn.items()
    ]


def interval_rows(summaries: Summaries, layers: Sequence[str]) -> list[dict[str, Any]]:
    """Return every interval that the page draws, as plain rows; NaN becomes None."""
    names = {curve.quantity: curve.scope for curve in CURVES}
    names |= {quantity: "layer" for family in FAMILIES for quantity in family.lines.values()}
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
