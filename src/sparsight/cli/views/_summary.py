"""The summary of a run on a terminal: a line for each level as it is stored, and a table at the end."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sparsight.figures import CATALOGUE, Words, summary_columns
from sparsight.measure import student_interval
from sparsight.report import Summaries, differences
from sparsight.store import NETWORK, Run, RunDirectory, intervals_by_level, read_record

_WIDE = 180
"""Characters of a terminal whose size is unknown."""
_MOST_ROWS = 14
"""Rows of the summary: with title, headings and caption it fits into 24 lines."""
_LONGEST_NAME = 24
"""Characters after which a name goes on in the next line."""


def announce_level(directory: RunDirectory, condition: str, replicate: int, index: int) -> str:
    """Return the line that announces a stored level."""
    record = read_record(directory.level(condition, replicate, index))
    return (
        f"{condition}, replicate {replicate}, level {index}: density {100 * record.density:.2f} %, "
        f"test accuracy {record.test_accuracy:.3f}, {record.train_seconds + record.measure_seconds:.1f} s"
    )


def print_summary(console: Console, run: Run, *, levels: bool) -> None:
    """Print what a run ended with, in less than a screen; with `levels`, the table of all levels instead."""
    console.print(levels_table(run, console.width) if levels else summary_table(run, console.width))


def summary_table(run: Run, width: int = _WIDE) -> Table:
    """Return the last level of each condition, and the differences to the first, for `width` characters.

    Differences are those of the report: paired by seed, at the lowest density that all conditions reached.
    A terminal that is too narrow for all columns gets the first ones.
    """
    summaries = Summaries(run)
    layer = next(iter(run.layers()), NETWORK)
    columns = summary_columns(run)
    ends = [_last_row(summaries, layer, columns, name) for name in summaries.conditions]
    every = ends + _difference_rows(summaries, layer, columns)
    rows = every[:_MOST_ROWS]
    headings = ["", "level", "density", *(column.short for column in columns)]
    widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)]
    widths[0] = min(widths[0], _LONGEST_NAME)
    shown = len(headings)
    while shown > 4 and sum(widths[:shown]) + 2 * (shown - 1) > width:
        shown -= 1
    table = Table(
        title=_title(run),
        caption=_caption(run, headings[shown:], len(every) - len(rows)),
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    table.add_column("", max_width=_LONGEST_NAME, overflow="fold")
    for heading in headings[1:shown]:
        table.add_column(heading, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        if place == len(ends):
            table.add_row()
        table.add_row(*row[:shown])
    return table


def _last_row(summaries: Summaries, layer: str, columns: Sequence[Words], name: str) -> list[str]:
    level = summaries.last_level(name)
    cells = []
    for column in columns:
        found = summaries.values(column.name, column.layer(layer), name, level)
        cells.append(_cell(student_interval(found.to_numpy(np.float64)), column.decimals, True))
    return [name, str(level), f"{100 * summaries.density(name, level):.3g} %", *cells]


def _difference_rows(summaries: Summaries, layer: str, columns: Sequence[Words]) -> list[list[str]]:
    levels = summaries.compared_levels()
    by_column = [
        (column, {cell.condition: cell for cell in differences(summaries, column.name, layer)})
        for column in columns
    ]
    return [
        [
            f"{name} − {subject.reference}",
            str(levels[name]),
            f"{100 * summaries.density(name, levels[name]):.3g} %",
            *(_cell(cells[name].interval, column.decimals, True) for column, cells in by_column),
        ]
        for name, subject in summaries.subjects.items()
        if subject.reference is not None
    ]


def _title(run: Run) -> str:
    return f"{run.recipe.name}: {run.recipe.replicates} replicate{'s' * (run.recipe.replicates > 1)}"


def _caption(run: Run, left_out: Sequence[str], num_rows_left_out: int) -> str:
    what = "Last level of each condition"
    if len(run.recipe.condition_names()) > 1:
        what += "; differences paired by seed, at the lowest density that all reached"
    more = f" More columns in a wider terminal: {', '.join(left_out)}." if left_out else ""
    if num_rows_left_out:
        more += f" {num_rows_left_out} more rows are in the report."
    chance = "By chance, share is 0, far and radius are 1."
    return f"{what}. {_shown(run.recipe.replicates > 1)}. {chance}{more} --levels shows every level."


def levels_table(run: Run, width: int = _WIDE) -> Table:
    """Return every level of a run as a table, for a terminal of `width` characters.

    A terminal that is too narrow for the intervals gets means only, and one that is too narrow for all
    columns gets the first ones.
    """
    columns = summary_columns(run)
    headings = ["condition", "level", "density %", *(column.short for column in columns)]
    for is_wide in (True, False):
        rows = _rows(run, columns, is_wide)
        widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)]
        shown = len(headings)
        if _width(widths, is_wide) <= width:
            break
    while shown > 4 and _width(widths[:shown], is_wide) > width:
        shown -= 1
    left_out = headings[shown:]
    table = Table(
        title=_title(run),
        caption=f"{_shown(is_wide)}. {CATALOGUE.summary_caption}"
        + (f" Left out, for want of width: {', '.join(left_out)}." if left_out else ""),
        padding=(0, 1) if is_wide else 0,
    )
    for heading in headings[:shown]:
        table.add_column(heading, justify="left" if heading == "condition" else "right", no_wrap=True)
    for place, row in enumerate(rows):
        if place and row[1] == "0":
            table.add_section()
        table.add_row(*(["" if row[1] != "0" else row[0], *row[1:shown]]))
    return table


def _width(widths: Sequence[int], is_wide: bool) -> int:
    """Return the characters that a table with these columns takes: a border for each, and one more."""
    return sum(widths) + (3 if is_wide else 1) * len(widths) + 1


def _rows(run: Run, columns: Sequence[Words], is_wide: bool) -> list[list[str]]:
    """Return condition, level, density and a text for each column, by condition and level."""
    frame = run.frame()
    first_layer = next(iter(run.layers()), NETWORK)
    cells: list[dict[Any, Any]] = [
        {
            (row.condition, row.level): row
            for row in intervals_by_level(frame, column.name, column.layer(first_layer)).itertuples()
        }
        for column in columns
    ]
    rows = []
    for condition in run.recipe.condition_names():
        densities = frame[frame["condition"] == condition].groupby("level")["density"].mean()
        for level, density in zip(densities.index.to_numpy(), densities.to_numpy(), strict=True):
            found = [
                _cell(cell.get((condition, int(level))), column.decimals, is_wide)
                for cell, column in zip(cells, columns, strict=True)
            ]
            rows.append([condition, str(level), f"{100 * density:.2f}", *found])
    return rows


def _shown(is_wide: bool) -> str:
    return "mean ± half of Student's 95 % interval over replicates" if is_wide else "means over replicates"


def _cell(row: Any, decimals: int, is_wide: bool) -> str:
    if row is None or math.isnan(row.mean):
        return "–"
    text = f"{row.mean:z.{decimals}f}"
    if not is_wide:
        return text
    half = (row.high - row.low) / 2
    return text if math.isnan(half) else f"{text} ±{half:.{decimals}f}"
