"""The live view of a run, and the table of `sparsight status`."""

from collections.abc import Iterable
from contextlib import suppress

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sparsight.cli.views._blocks import blocks_below_each_other, column_blocks
from sparsight.store import ReplicateState, RunDirectory, RunState, run_state

_NARROW = 100
"""Characters of a terminal below which the progress bar is left out."""


class LiveView:
    """A view of a run on a terminal, updated by calling it.

    It is a context manager. Whatever is printed to the console meanwhile appears above the view.
    """

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):  # the terminal is gone
            self._live.__exit__(None, None, None)

    def __call__(self, directory: RunDirectory) -> None:
        """Show where the run is now."""
        self._live.update(run_view(run_state(directory), self._live.console.width))


def run_view(state: RunState, width: int) -> Group:
    """Return a line for every replicate that is training, and one for the whole run.

    `width` is that of the terminal in characters.
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for heading in ("condition", "replicate", "level", "step"):
        table.add_column(heading, justify="left" if heading == "condition" else "right", no_wrap=True)
    if width >= _NARROW:
        table.add_column("", width=20)
    for heading in ("density", "accuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in state.replicates:
        if each.progress is not None:
            table.add_row(*_cells(each, width))
    return Group(table, _whole(state))


def status_table(states: Iterable[RunState], width: int) -> Group:
    """Return one row per run: state, progress, last accuracy, age, time left and writer.

    A terminal that is too narrow, of `width` characters, gets the last columns in a table below.
    """
    headings = ("run", "state", "replicates", "levels", "accuracy", "last level", "left", "writer")
    rows = [_status_cells(state) for state in states]
    blocks = column_blocks(headings, rows, width, repeated=1)
    return blocks_below_each_other(headings, rows, blocks)


def duration(seconds: float) -> str:
    """Return seconds in the two largest units of time that matter: ``3 h 20 min``.

    Examples
    --------
    >>> duration(12_000), duration(75), duration(3.4)
    ('3 h 20 min', '1 min 15 s', '3 s')
    """
    whole = round(seconds)
    for size, unit, smaller, small_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{whole} s"


def _cells(replicate: ReplicateState, width: int) -> list[Text | ProgressBar | str]:
    progress = replicate.progress
    assert progress is not None
    last = "?" if replicate.levels_expected is None else str(replicate.levels_expected - 1)
    step = "measuring" if progress.step >= progress.num_steps else f"{progress.step}/{progress.num_steps}"
    bar = ProgressBar(total=progress.num_steps, completed=progress.step)
    return [
        Text(replicate.condition),
        str(replicate.replicate),
        f"{progress.level} of {last}",
        step,
        *([bar] if width >= _NARROW else []),
        f"{100 * progress.density:.2f} %",
        "–" if progress.test_accuracy is None else f"{progress.test_accuracy:.3f}",
    ]


def _whole(state: RunState) -> Text:
    done = sum(each.num_levels for each in state.replicates)
    expected = sum(each.levels_expected or 0 for each in state.replicates)
    left = state.seconds_left
    words = f"{done} of {expected} levels" if expected else "the first level"
    if left is not None:
        words += f", about {duration(left)} left"
    return Text(words, style="bold")


def _status_cells(state: RunState) -> list[str]:
    finished = sum(each.is_finished for each in state.replicates)
    failed = sum(each.failure is not None for each in state.replicates)
    levels = [each.num_levels for each in state.replicates]
    expected = sum(each.levels_expected or 0 for each in state.replicates)
    accuracies = [each.last_accuracy for each in state.replicates if each.last_accuracy is not None]
    left = state.seconds_left if state.state == "running" else None
    return [
        str(state.path),
        state.state,
        f"{finished} of {len(state.replicates)}" + (f", {failed} failed" if failed else ""),
        f"{sum(levels)} of {expected}" if expected else "0",
        "–" if not accuracies else f"{min(accuracies):.3f}–{max(accuracies):.3f}",
        "–" if state.age_seconds is None else f"{duration(state.age_seconds)} ago",
        "–" if left is None else duration(left),
        str(state.owner) if state.state == "running" else "–",
    ]
