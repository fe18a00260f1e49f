"""``sparsight sweep run | status | collect | cancel | draw``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from sparsight.cli._terminal import AcceptChanges, Plugins, terminal
from sparsight.sweep import SlurmOptions

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.
if TYPE_CHECKING:
    from sparsight.sweep import Sweep

app = App(name="sweep", help="Run a recipe over lists of values, on this machine or on Slurm.", sort_key=2)

_SweepPath = Annotated[Path, Parameter(help="Sweep file, or folder of the sweep.")]


@app.command(sort_key=1)
@app.default
def run(
    path: Path,
    *,
    engine: Literal["local", "slurm"] = "local",
    out: Path | None = None,
    jobs: int | None = None,
    plugins: Plugins = (),
    checkpoint_seconds: float | None = None,
    accept_changes: AcceptChanges = False,
    slurm: Annotated[SlurmOptions, Parameter(name="*", group="Slurm")] = SlurmOptions(),  # noqa: B008
) -> int:
    """Run what is not finished; `sparsight sweep FILE` is the same command.

    Training resumes where it stopped. After new values were added to the file, only what is new is run.
    The exit status is 1 if a training has neither ended nor diverged, also if another process is at it.

    Parameters
    ----------
    path
        Sweep file.
    engine
        Run on this machine, or submit to Slurm and return.
    out
        Folder of the sweep. [default: sweeps/NAME]
    jobs
        Processes side by side on this machine. [default: up to one per core]
    checkpoint_seconds
        Longest time between two checkpoints within a level. [default: 60 here, 600 on Slurm]
    """
    from sparsight.cli.views._sweep import announce_replicate, sweep_table
    from sparsight.run import load_plugins
    from sparsight.sweep import Sweep, plan_sweep, run_sweep, submit_jobs

    load_plugins(plugins)
    console = terminal()
    plan = plan_sweep(path, out, runs_here=engine == "local")
    console.print(
        f"{plan.directory.path}: {len(plan.cases)} cases, {len(plan.unfinished())} trainings to do",
        soft_wrap=True,
    )
    if engine == "slurm":
        submitted = submit_jobs(
            plan,
            slurm,
            plugins=plugins,
            checkpoint_seconds=checkpoint_seconds or 600.0,
            accept_changes=accept_changes,
        )
        console.print(f"submitted: {len(submitted)} jobs; see sparsight sweep status {plan.directory.path}")
        return 0
    outcomes = run_sweep(
        plan,
        jobs=jobs,
        plugins=plugins,
        checkpoint_seconds=checkpoint_seconds or 60.0,
        accept_changes=accept_changes,
        on_replicate=lambda outcome: console.print(announce_replicate(outcome), soft_wrap=True),
    )
    console.print(sweep_table(Sweep(plan.directory), console.width))
    return 1 if any(outcome.end in ("error", "busy", "stopped") for outcome in outcomes) else 0


@app.command(sort_key=2)
def status(path: _SweepPath, *, plugins: Plugins = ()) -> None:
    """Show how far every case is, and what the Slurm queue has of it."""
    _show(_opened(path, plugins))


@app.command(sort_key=3)
def collect(path: _SweepPath, *, plugins: Plugins = ()) -> None:
    """Write results.csv, with every number of every case, into the folder of the sweep."""
    from sparsight.cli.views._sweep import sweep_table
    from sparsight.sweep import write_results

    opened = _opened(path, plugins)
    results = write_results(opened)
    console = terminal()
    console.print(sweep_table(opened, console.width))  # what the results do not hold yet
    console.print(f"results: {results}", soft_wrap=True)


@app.command(sort_key=5)
def cancel(path: _SweepPath, *, plugins: Plugins = ()) -> None:
    """Cancel the sweep's Slurm jobs. Running jobs save where they are; sweep run resumes them."""
    from sparsight.sweep import cancel_jobs

    opened = _opened(path, plugins)
    cancelled = cancel_jobs(opened.directory)
    terminal().print(f"cancelled: {' '.join(cancelled) or 'nothing, since nothing was in the queue'}")
    _show(opened)


@app.command(sort_key=4)
def draw(
    path: _SweepPath,
    x: str,
    y: str | None = None,
    *,
    quantity: str = "test_accuracy",
    plugins: Plugins = (),
) -> None:
    """Draw a quantity over one varied field, with intervals, or over two, into the folder of the sweep.

    Parameters
    ----------
    x
        Varied field, drawn across, as in pruning.rate.
    y
        Second varied field, drawn down.
    quantity
        What to draw, as in locality.attained_share.
    """
    from sparsight.figures import write_sweep_figure

    opened = _opened(path, plugins)
    picture = write_sweep_figure(opened, x, y, quantity, opened.path / f"{quantity}.png")
    terminal().print(f"picture: {picture}", soft_wrap=True)


def _opened(path: Path, plugins: Plugins) -> "Sweep":
    from sparsight.run import load_plugins
    from sparsight.sweep import folder_of, open_sweep

    load_plugins(plugins)
    return open_sweep(folder_of(path))


def _show(opened: "Sweep") -> None:
    from sparsight.cli.views._sweep import sweep_table
    from sparsight.sweep import queued_replicates

    console = terminal()
    console.print(sweep_table(opened, console.width, queued_replicates(opened.directory)))
