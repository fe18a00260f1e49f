"""The table of ``sparsight ensemble``."""

import math
import textwrap

import pandas as pd
from rich.console import Console
from rich.text import Text

from sparsight.cli.views._blocks import blocks_below_each_other, column_blocks

_COLUMNS = {
    "accuracy": ("accuracy", 3),
    "marginal_nll": ("marginal", 3),
    "joint_nll": ("joint", 2),
    "joint_gain": ("gain", 2),
    "ece": ("ECE", 3),
    "disagreement": ("disagree", 3),
    "joint_beyond_matched": ("beyond dense", 2),
}
"""Quantity → heading and decimals."""
_NAMES = {"copies": "copies", "matched": "matched", "dense_matched": "dense, matched"}
_WIDEST_TEXT = 110


def print_ensembles(console: Console, table: pd.DataFrame) -> None:
    """Print the dense level and the last one of each condition, with intervals, and what the columns are."""
    rows: list[list[str]] = []
    blanks: set[int] = set()
    for condition, own in table.groupby("condition", sort=False):
        blanks |= {len(rows)} - {0}
        last = int(own["level"].max())
        rows.append(_row(own, str(condition), 0, "tickets"))
        if last:
            rows += [_row(own, str(condition), last, each) for each in ("tickets", *_NAMES)]
    headings = ["", "density", *(heading for heading, _ in _COLUMNS.values())]
    console.print(Text(_title(table), style="bold"))
    blocks = column_blocks(headings, rows, console.width, repeated=2)
    console.print(blocks_below_each_other(headings, rows, blocks, blank_before=frozenset(blanks)))
    for line in textwrap.wrap(_caption(table), min(console.width, _WIDEST_TEXT)):
        console.print(Text(line, style="dim"))


def _title(table: pd.DataFrame) -> str:
    sizes = dict.fromkeys(table["size"])
    numbers = dict.fromkeys(table["num_replicates"])
    return f"Ensembles of {' and '.join(map(str, sizes))} of {' and '.join(map(str, numbers))} replicates"


def _row(table: pd.DataFrame, condition: str, level: int, ensemble: str) -> list[str]:
    here = table[(table["level"] == level) & (table["ensemble"] == ensemble)]
    name = (
        f"{condition}{', dense' if level == 0 else ''}" if ensemble == "tickets" else f"  {_NAMES[ensemble]}"
    )
    cells = [_cell(here[here["quantity"] == quantity], places) for quantity, (_, places) in _COLUMNS.items()]
    return [name, f"{100 * here['density'].iloc[0]:.3g} %", *cells]


def _cell(rows: pd.DataFrame, places: int) -> str:
    if not len(rows):
        return ""
    row = rows.iloc[0]
    if math.isnan(row["mean"]):
        return "–"
    half = (row["high"] - row["low"]) / 2
    reach = "" if math.isnan(half) else f" ±{half:.{places}f}"
    return f"{row['mean']:z.{places}f}{reach}"


def _caption(table: pd.DataFrame) -> str:
    has_intervals = table["low"].notna().any()
    return (
        "Mean over all such subsets"
        + (" ± half of the jackknife's 95 % interval over replicates" if has_intervals else "")
        + ", which share data and test samples and differ in initial weights and batches. marginal: −log p "
        "of a label; joint: of ten labels together, drawn from two samples; gain: ten times marginal − "
        "joint, 0 for a single network; all in nats. matched: this level and the dense one, of which a "
        "temperature made the better one's marginal as bad as the other's; beyond dense: joint of matched "
        "minus that of dense, above 0 if pruning lost joint predictions and not only marginal ones."
    )
