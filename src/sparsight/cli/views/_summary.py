"""The summary of a run on a terminal: a line for each level as it is stored, and a table at the end."""

import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from sparsight.figures import CATALOGUE, Words, words_of
from sparsight.store import NETWORK, Run, RunDirectory, intervals_by_level, read_record

_WIDE = 180
"""Characters of a terminal whose size is unknown."""


def announce_level(directory: RunDirectory, condition: str, replicate: int, index: int) -> str:
    """Return the line that announces a stored level."""
    record = read_record(directory.level(condition, replicate, index))
    return (
        f"{condition}, replicate {replicate}, level {index}: density {100 * record.density:.2f} %, "
        f"test accuracy {record.test_accuracy:.3f}, {record.train_seconds + record.measure_seconds:.1f} s"
    )


def summary_table(run: Run, width: int = _WIDE) -> Table:
    """Return the summary of a run as a table, for a terminal of `width` characters.

    A terminal that is too narrow for the intervals gets means only, and one that is too narrow for all
    columns gets the first ones.
    """
    recipe = run.recipe
    columns = [words_of(quantity) for quantity in CATALOGUE.summary]
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
        title=f"{recipe.name}: {recipe.replicates} replicate{'s' * (recipe.replicates > 1)}",
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
    text = f"{row.mean:.{decimals}f}"
    if not is_wide:
        return text
    half = (row.high - row.low) / 2
    return text if math.isnan(half) else f"{text} ±{half:.{decimals}f}"
