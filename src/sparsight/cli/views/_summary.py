"""The summary of a run on a terminal: a line for each level as it is stored, and a table at the end."""

import math
from typing import Any

from rich.table import Table

from sparsight.figures import CATALOGUE, words_of
from sparsight.store import FEW_REPLICATES, NETWORK, Run, RunDirectory, intervals_by_level, read_record

_WIDE = 140
"""Characters that the table needs with intervals; a narrower terminal gets means only."""


def announce_level(directory: RunDirectory, condition: str, replicate: int, index: int) -> str:
    """Return the line that announces a stored level."""
    record = read_record(directory.level(condition, replicate, index))
    return (
        f"{condition}, replicate {replicate}, level {index}: density {100 * record.density:.2f} %, "
        f"test accuracy {record.test_accuracy:.3f}, {record.train_seconds + record.measure_seconds:.1f} s"
    )


def summary_table(run: Run, width: int = _WIDE) -> Table:
    """Return the summary of a run as a table, for a terminal of `width` characters."""
    is_wide = width >= _WIDE
    frame, recipe = run.frame(), run.recipe
    table = Table(
        title=f"{recipe.name}: {recipe.replicates} replicate{'s' * (recipe.replicates > 1)}",
        caption=f"{_shown(recipe.replicates, is_wide)}. {CATALOGUE.summary_caption}",
        padding=(0, 1) if is_wide else 0,
    )
    columns = [words_of(quantity) for quantity in CATALOGUE.summary]
    for heading in ("condition", "level", "density %", *(column.short for column in columns)):
        table.add_column(heading, justify="left" if heading == "condition" else "right", no_wrap=True)
    first_layer = next(iter(run.layers()), NETWORK)
    cells: list[dict[Any, Any]] = [
        {
            (row.condition, row.level): row
            for row in intervals_by_level(frame, column.name, column.layer(first_layer)).itertuples()
        }
        for column in columns
    ]
    for condition in recipe.condition_names():
        densities = frame[frame["condition"] == condition].groupby("level")["density"].mean()
        for level, density in zip(densities.index.to_numpy(), densities.to_numpy(), strict=True):
            row = [
                _cell(cell.get((condition, int(level))), column.decimals, is_wide)
                for cell, column in zip(cells, columns, strict=True)
            ]
            table.add_row(condition if level == 0 else "", str(level), f"{100 * density:.2f}", *row)
        table.add_section()
    return table


def _shown(replicates: int, is_wide: bool) -> str:
    shown = "mean ± half the 95 % interval over replicates" if is_wide else "means over replicates"
    if 1 < replicates < FEW_REPLICATES:
        shown += f" (with {replicates}, such an interval contains the true mean far less often)"
    return shown


def _cell(row: Any, decimals: int, is_wide: bool) -> str:
    if row is None or math.isnan(row.mean):
        return "–"
    text = f"{row.mean:.{decimals}f}"
    if not is_wide:
        return text
    half = (row.high - row.low) / 2
    return text if math.isnan(half) else f"{text} ±{half:.{decimals}f}"
