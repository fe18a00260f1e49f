"""The table of `sparsight tickets`: accuracy at one density, and paired differences to three references."""

import math
from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from sparsight.report import ticket_table
from sparsight.store import Run

_ACCURACY, _BARRIER = "test_accuracy", "stability.error_barrier"
_LONGEST_NAME = 21
"""Characters after which a name goes on in the next line: with three differences the rest fits into 80."""


def print_tickets(console: Console, run: Run, density: float | None) -> None:
    """Print accuracies, and below them the barriers between copies if they were measured."""
    found = ticket_table(run, density=density)
    console.print(_table(found, _ACCURACY, run, console.width))
    if (found["quantity"] == _BARRIER).any():
        console.print()
        console.print(_table(found, _BARRIER, run, console.width))


def _table(found: pd.DataFrame, quantity: str, run: Run, width: int) -> Table:
    rows = found[found["quantity"] == quantity]
    references = list(dict.fromkeys(rows["reference"][rows["reference"] != ""]))
    names = list(dict.fromkeys(rows["condition"]))
    headings = ["", "accuracy" if quantity == _ACCURACY else "barrier", *(f"− {each}" for each in references)]
    cells = [[name, *(_cell(rows, name, reference) for reference in ("", *references))] for name in names]
    masks = [rows.loc[rows["condition"] == name, "masks"].iloc[0] for name in names]
    shown = _num_shown(headings, cells, width)
    has_room = shown == len(headings) and _width(headings, cells) + 2 + max(map(len, masks)) <= width
    table = Table(
        title=_title(rows, quantity, run),
        caption=_caption(rows, quantity, run, headings[shown:]),
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    table.add_column("", max_width=_LONGEST_NAME, overflow="fold")
    for heading in headings[1:shown]:
        table.add_column(heading, justify="right", no_wrap=True)
    if has_room:
        table.add_column("masks", no_wrap=True)
    for row, origin in zip(cells, masks, strict=True):
        table.add_row(*row[:shown], *([origin] if has_room else []))
    return table


def _cell(rows: pd.DataFrame, condition: str, reference: str) -> str:
    chosen = rows[(rows["condition"] == condition) & (rows["reference"] == reference)]
    if not len(chosen):
        return ""
    mean, half = chosen["mean"].iloc[0], (chosen["high"].iloc[0] - chosen["low"].iloc[0]) / 2
    text = f"{mean:z.3f}" if not math.isnan(mean) else "–"
    return text if math.isnan(half) else f"{text} ±{half:.3f}"


def _num_shown(headings: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    shown = len(headings)
    while shown > 2 and _width(headings[:shown], [row[:shown] for row in cells]) > width:
        shown -= 1
    return shown


def _width(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    return min(widths[0], _LONGEST_NAME) + sum(widths[1:]) + 2 * (len(widths) - 1)


def _title(rows: pd.DataFrame, quantity: str, run: Run) -> str:
    sparse = rows[rows["level"] > 0]["density"]
    density = "" if sparse.empty else f" at {100 * sparse.median():.3g} % density"
    what = "test accuracy" if quantity == _ACCURACY else "error barrier between two copies"
    replicates = run.recipe.replicates
    return f"{run.recipe.name}: {what}{density}, {replicates} replicate{'s' * (replicates > 1)}"


def _caption(rows: pd.DataFrame, quantity: str, run: Run, left_out: Sequence[str]) -> str:
    parts = []
    if quantity == _BARRIER:
        parts.append(
            "Largest test error on the line between two copies trained with other batches, minus the mean of "
            "its ends."
        )
    is_bounded = rows["low"].notna().any()
    parts.append(
        "Mean ± half of Student's 95 % interval over replicates; differences are paired by seed."
        if is_bounded
        else "One replicate has no interval; differences are within its seed."
    )
    density = rows[rows["level"] > 0].groupby("condition", sort=False)["density"].first()
    is_other = (density / density.median() - 1).abs() > 0.01
    others = [f"{name} {100 * value:.3g} %" for name, value in density[is_other].items()]
    if others:
        parts.append(f"Other densities: {', '.join(others)}.")
    foreign = _on_other_data(rows, run)
    if foreign:
        parts.append(f"On other data than {rows.attrs['ticket']}: {', '.join(foreign)}.")
    absent = [name for name in run.recipe.condition_names() if name not in set(rows["condition"])]
    if absent:
        parts.append(f"Without {'a value' if quantity == _BARRIER else 'such a level'}: {', '.join(absent)}.")
    missing = rows[(rows["reference"] == "") & (rows["num_missing"] > 0)]
    parts += [f"{row.condition}: {row.num_missing} replicates missing." for row in missing.itertuples()]
    if left_out:
        parts.append(f"More columns in a wider terminal: {', '.join(left_out)}.")
    return " ".join(parts)


def _on_other_data(rows: pd.DataFrame, run: Run) -> list[str]:
    """Return the conditions whose data are not those of the ticket."""
    data = run.recipe.condition(rows.attrs["ticket"]).data
    names = dict.fromkeys(rows["condition"][rows["condition"] != "dense"])
    return [name for name in names if run.recipe.condition(name).data != data]
