"""Tables that are too wide for a terminal, continued below themselves in whole columns."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

_GAP = 2
"""Spaces between two columns."""
LONGEST_NAME = 24
"""Characters after which the first column of a row goes on in the next line."""


def column_blocks(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    repeated: int,
    longest_name: int = LONGEST_NAME,
) -> list[list[int]]:
    """Return the columns of each block, so that every block fits into `width` characters.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : sequence of sequence of str
        A text for each column.
    repeated : int
        Number of columns, counted from the left, that every block begins with: they say what a row is.
    longest_name : int
        Characters after which the first column of a row goes on in the next line.

    Returns
    -------
    list of list of int
        Numbers of columns. A block has at least one column that is not repeated, even if it does not fit.
    """
    widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)]
    widths[0] = min(widths[0], longest_name)
    fixed = list(range(repeated))
    blocks: list[list[int]] = []
    for column in range(repeated, len(headings)):
        last = blocks[-1] if blocks else []
        if not last or sum(widths[each] + _GAP for each in (*last, column)) - _GAP > width:
            blocks.append([*fixed, column])
        else:
            last.append(column)
    return blocks


def blocks_below_each_other(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    blocks: Sequence[Sequence[int]],
    *,
    blank_before: frozenset[int] = frozenset(),
    is_airy: bool = True,
    longest_name: int = LONGEST_NAME,
) -> Group:
    """Return one table a block, below each other, with an empty line between two if `is_airy`.

    `blank_before` holds the numbers of the rows that follow an empty line.
    """
    parts: list[Table | Text] = []
    for block in blocks:
        table = Table(box=None, padding=(0, 1), pad_edge=False)
        for column in block:
            is_name = column == 0
            table.add_column(
                headings[column],
                justify="left" if is_name else "right",
                no_wrap=not is_name,
                max_width=longest_name if is_name else None,
                overflow="fold",
            )
        for number, row in enumerate(rows):
            if number in blank_before:
                table.add_row()
            table.add_row(*(Text(row[column]) for column in block))
        parts += [Text(), table] if parts and is_airy else [table]
    return Group(*parts)
