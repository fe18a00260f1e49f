"""Commands that show or verify what is stored."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sparsight.cli._terminal import terminal
from sparsight.errors import InputError, NewerFormatError, SparsightError
from sparsight.printable import printable

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def show(*runs: Path, levels: bool = False) -> None:
    """Print again what runs ended with, and write nothing.

    Parameters
    ----------
    runs
        Run directories.
    levels
        Print a table of every level, not of the last ones alone.
    """
    from sparsight.cli.views._summary import print_summary
    from sparsight.store import open_run

    if not runs:
        raise InputError("show needs a run directory, as in sparsight show runs/photographs-1a2b3c4d")
    console = terminal()
    for each in [open_run(path, for_numbers=True) for path in runs]:
        print_summary(console, each, levels=levels)


def report(*runs: Path, out: Path | None = None, levels: bool = False) -> None:
    """Write the report of one run, or of several side by side, as a self-contained HTML file.

    Parameters
    ----------
    runs
        Run directories. The others are compared with the first.
    out
        File to write. [default: report.html in the run directory; for several runs, ./comparison.html]
    levels
        Print a table of every level, not of the last ones alone.
    """
    from sparsight.cli.views._summary import print_summary
    from sparsight.report import write_report
    from sparsight.store import open_run

    opened = [open_run(path) for path in runs]
    console = terminal()
    for each in opened:
        print_summary(console, each, levels=levels)
    path = out or (Path("comparison.html") if len(opened) > 1 else None)
    console.print(f"report: {write_report(*opened, path=path)}", soft_wrap=True)


def figures(
    run: Path, *, formats: Annotated[str, Parameter(name="--format")] = "svg,pdf,png", out: Path | None = None
) -> None:
    """Write every panel of a run's report as a separate figure, with captions.

    Parameters
    ----------
    run
        Run directory.
    formats
        File formats separated by commas: svg, pdf, png.
    out
        Folder to write. [default: figures in the run directory]
    """
    from sparsight.report import write_figures
    from sparsight.store import open_run

    folder = out or run / "figures"
    written = write_figures(open_run(run), folder, [each.strip() for each in formats.split(",")])
    terminal().print(f"{len(written)} figures and captions.md: {folder}", soft_wrap=True)


def movie(
    run: Path,
    *,
    condition: str | None = None,
    replicate: int = 0,
    layer: str | None = None,
    what: Literal["weights", "masks", "cavity"] = "weights",
    units: int = 100,
    fps: float = 2.0,
    out: Path | None = None,
) -> None:
    """Write an animation of weights, masks or cavity maps over the levels.

    Parameters
    ----------
    run
        Run directory.
    condition
        Name of a condition. [default: the first]
    replicate
        Number of the replicate, counted from 0.
    layer
        Name of a layer, as in linear_0. [default: the first that was measured]
    what
        Map to show of each unit.
    units
        Largest number of units to show.
    fps
        Levels per second.
    out
        File to write: .gif, .webp or, with ffmpeg installed, .mp4. [default: movie-CONDITION-WHAT.gif in the
        run directory]
    """
    from sparsight.report import write_movie
    from sparsight.store import open_run

    opened = open_run(run)
    shown = condition or opened.recipe.condition_names()[0]
    path = write_movie(
        opened,
        out or run / f"movie-{shown}-{what}.gif",
        condition=shown,
        replicate=replicate,
        layer=layer,
        what=what,
        num_units=units,
        frames_per_second=fps,
    )
    terminal().print(f"movie: {path}", soft_wrap=True)


def status(*runs: Path) -> int:
    """List runs with their progress, accuracy, time left, and the process that writes to them.

    The exit status is 1 if one of them cannot be read; the others are listed all the same.

    Parameters
    ----------
    runs
        Run directories, or folders that contain some. [default: runs]
    """
    from sparsight.cli.views._live_view import status_table
    from sparsight.store import RECIPE, RunDirectory, run_state

    def runs_in(path: Path) -> list[Path]:
        inside = sorted(recipe.parent for recipe in path.glob(f"*/{RECIPE}"))
        if not inside and not (path / RECIPE).exists():
            raise InputError(f"there is no run in {path}/; name the run directories to list, or their folder")
        return [path] if (path / RECIPE).exists() else inside

    found = [run for path in runs or (Path("runs"),) for run in runs_in(path)]
    states, unreadable = [], []
    for path in found:
        try:
            states.append(run_state(RunDirectory.open(path, for_numbers=True)))
        except SparsightError as error:  # the others can be listed
            unreadable.append(printable(str(error)))
    console = terminal()
    if states:
        console.print(status_table(states, console.width))
    for line in unreadable:
        console.print(f"not listed: {line}", soft_wrap=True)
    return 1 if unreadable else 0


def check(run: Path) -> int:
    """Verify every file of a run, and say what is damaged and how `run` will mend it.

    The exit status is 1 if anything is damaged, and 2 if nothing is but a newer version wrote a file.

    Parameters
    ----------
    run
        Run directory.
    """
    from sparsight.cli.views._health import health_lines, verdict
    from sparsight.store import RunDirectory, check_run, check_without_recipe, newer_files

    console = terminal()
    newer = newer_files(run)
    try:
        directory = RunDirectory.open(run)
    except SparsightError as error:
        if not run.is_dir():
            raise
        found = dict.fromkeys((str(error), *check_without_recipe(run)))
        damaged = [line for line in found if line not in newer]
        lines = [*newer, *damaged, f"no level was matched with a condition: {verdict(damaged, newer)}"]
    else:
        problems, replicates = check_run(directory)
        problems = [line for line in problems if line not in newer]
        damaged = [*problems, *(problem for health in replicates for problem in health.problems)]
        lines = [*newer, *health_lines(problems, replicates, newer)]
    for line in lines:
        console.print(printable(line), soft_wrap=True)
    if newer and not damaged:
        raise NewerFormatError(newer[0] if len(newer) == 1 else f"{newer[0]} ({len(newer)} files in all)")
    return 1 if damaged else 0


def tickets(run: Path, *, density: float | None = None) -> None:
    """Compare conditions of a run at one density: with the ticket, random pruning and the dense network.

    The ticket is the first condition that finds its masks by a criterion other than random. Where the
    instrument stability was measured, a second table has the barriers between two copies.

    Parameters
    ----------
    run
        Run directory.
    density
        Kept weights / prunable weights. [default: the lowest that all conditions reached]
    """
    from sparsight.cli.views._tickets import print_tickets
    from sparsight.store import open_run

    print_tickets(terminal(), open_run(run), density)
