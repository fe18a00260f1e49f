"""The summary of a run on a terminal: a line for each level as it is stored, and a table at the end."""

import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.text import Text

from sparsight.cli.views._blocks import blocks_below_each_other, column_blocks
from sparsight.figures import CATALOGUE, MOST_OWN, Words, summary_columns, words_of
from sparsight.instruments import NETWORK
from sparsight.measure import student_interval
from sparsight.report import Summaries, differences
from sparsight.store import Run, RunDirectory, intervals_by_level, read_record

_LINES = 24
"""Lines of a terminal: the summary has fewer."""
_WIDEST_TEXT = 110
"""Characters of a line of prose, however wide the terminal."""
_MOST_ROWS = 14
"""Rows of the summary: with title, headings and caption it fits into a terminal."""


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


def summary_table(run: Run, width: int) -> Group:
    """Return the last level of each condition, and the differences to the first, for `width` characters.

    Differences are those of the report: paired by seed, at the lowest density that all conditions reached.
    A terminal that is too narrow for all columns gets the others below, as far as they fit on a screen.
    """
    summaries = Summaries(run)
    layer = next(iter(run.layers()), NETWORK)
    columns = [*map(words_of, CATALOGUE.summary), *summaries.own_quantities[:MOST_OWN]]
    ends = [_last_row(summaries, layer, columns, name) for name in summaries.conditions]
    every = ends + _difference_rows(summaries, layer, columns)
    rows = every[:_MOST_ROWS]
    headings = ["", "level", "density", *(column.short for column in columns)]
    # Level and density belong to the row: they stand in the first block alone.
    first, *others = column_blocks(headings, rows, width, repeated=3)
    rest = [0, *(column for block in others for column in block[3:])]
    more = [
        [rest[column] for column in block]
        for block in column_blocks(
            [headings[column] for column in rest],
            [[row[column] for column in rest] for row in rows],
            width,
            repeated=1,
        )
    ]
    between = frozenset({len(ends)} if len(rows) > len(ends) else ())
    # First without columns' own blank lines, then without columns: a screen has only so many lines.
    for shown, is_airy in itertools.product(range(len(more), -1, -1), (True, False)):
        left_out = [headings[column] for block in more[shown:] for column in block[1:]]
        caption = _wrapped(_caption(run, left_out, len(every) - len(rows)), width)
        num_lines = (
            1 + (shown + 1) * (1 + len(rows) + is_airy * len(between)) + is_airy * shown + len(caption)
        )
        if num_lines < _LINES:
            break
    table = blocks_below_each_other(
        headings,
        rows,
        [first, *more[:shown]],
        blank_before=between if is_airy else frozenset(),
        is_airy=is_airy,
    )
    return _titled(run, table, caption)


def _titled(run: Run, table: Group, caption: Sequence[str]) -> Group:
    return Group(Text(_title(run), style="bold"), table, Text("\n".join(caption), style="dim"))


def _wrapped(caption: str, width: int) -> list[str]:
    return textwrap.wrap(caption, min(width, _WIDEST_TEXT))


def _last_row(summaries: Summaries, layer: str, columns: Sequence[Words], name: str) -> list[str]:
    level = summaries.last_level(name)
    cells = []
    for column in columns:
        found = summaries.values(column.name, column.layer(layer), name, level)
        cells.append(_cell(student_interval(found.to_numpy(np.float64)), column.decimals))
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
            *(_cell(cells[name].interval, column.decimals) for column, cells in by_column),
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
    chance = "By chance, share is 0; near, far and radius are 1."
    return f"{what}.{_shown(run)} {chance}{more} --levels shows every level."


def levels_table(run: Run, width: int) -> Group:
    """Return every level of a run as a table, for a terminal of `width` characters.

    A terminal that is too narrow for all columns gets the others in tables below.
    """
    columns = summary_columns(run)
    headings = ["condition", "level", "density", *(column.short for column in columns)]
    rows = _rows(run, columns)
    named = [
        [row[0] if number == 0 or rows[number - 1][0] != row[0] else "", *row[1:]]
        for number, row in enumerate(rows)
    ]
    blank_before = frozenset(number for number, row in enumerate(named) if number and row[0])
    blocks = column_blocks(headings, rows, width, repeated=2)
    table = blocks_below_each_other(headings, named, blocks, blank_before=blank_before)
    caption = f"{_shown(run).strip()} {CATALOGUE.summary_caption}".strip()
    return _titled(run, table, _wrapped(caption, width))


def _rows(run: Run, columns: Sequence[Words]) -> list[list[str]]:
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
                _cell(cell.get((condition, int(level))), column.decimals)
                for cell, column in zip(cells, columns, strict=True)
            ]
            rows.append([condition, str(level), f"{100 * density:.2f} %", *found])
    return rows


def _shown(run: Run) -> str:
    if run.recipe.replicates == 1:
        return ""
    return " ±: half of Student's 95 % interval of the mean over replicates."


def _cell(row: Any, decimals: int) -> str:
    if row is None or math.isnan(row.mean):
        return "–"
    text = f"{row.mean:z.{decimals}f}"
    half = (row.high - row.low) / 2
    return text if math.isnan(half) else f"{text} ±{half:.{decimals}f}"
