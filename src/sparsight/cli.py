"""The command line: what a user may ask for, handed on to the rooms that do it."""

import os
import signal
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from sparsight.errors import InputError

# Every command imports what it needs itself: torch takes two seconds, `--help` should not.

app = App(
    name="sparsight",
    help="See what pruning does to the representations of a neural network, beside the controls.",
    version=lambda: metadata.version("sparsight"),
    suppress_keyboard_interrupt=False,  # main says how to go on
)

Overrides = Annotated[
    list[str],
    Parameter(name="--set", negative="", help="Override a field: key=value, as in pruning.rate=0.2."),
]
Plugins = Annotated[
    list[Path],
    Parameter(
        name="--plugin",
        negative="",
        help="A Python file that registers your own criteria, instruments or data sources.",
    ),
]

Sbatch = Annotated[
    list[str], Parameter(name="--sbatch", negative="", help="A further option of sbatch: account=abc.")
]


@app.command
def run(
    recipe: str = "photographs",
    *,
    overrides: Overrides = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    out: Path | None = None,
    fresh: bool = False,
    jobs: int | None = None,
    plugins: Plugins = [],  # noqa: B006
    checkpoint_seconds: float = 60.0,
    log: Literal["tensorboard"] | None = None,
) -> int:
    """Run a recipe: prune, measure, compare with controls, report. Goes on where it stopped.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.
    out
        The run directory [default: runs/<recipe>-<hash>].
    fresh
        Start another run beside an existing one.
    jobs
        Processes side by side [default: one for each core].
    checkpoint_seconds
        How often, at least, the middle of a level is saved.
    log
        Write events for TensorBoard, too, into the run directory.
    """
    from sparsight.report.live_view import LiveView
    from sparsight.report.page import write_report
    from sparsight.report.summary import announce_level, summary_table
    from sparsight.report.tensorboard_log import TensorBoardLog
    from sparsight.run.preparation import load_plugins
    from sparsight.run.recipe import load_recipe
    from sparsight.run.results import Run
    from sparsight.run.runner import run as run_recipe
    from sparsight.run.store import default_path, unused_path

    load_plugins(plugins)
    loaded = load_recipe(recipe, overrides)
    path = out or default_path(loaded)
    if fresh:
        path = unused_path(path)
    console = _console()
    num_units = loaded.replicates * len(loaded.condition_names())
    console.print(
        f"{loaded.name}: {', '.join(loaded.condition_names())}; {num_units} trainings from dense to sparse "
        f"in {path}",
        soft_wrap=True,
    )
    with (
        TensorBoardLog(path) if log else nullcontext() as events,
        LiveView(console) if console.is_terminal else nullcontext() as view,
    ):

        def on_level(*level: Any) -> None:
            if events is not None:
                events(*level)
            console.print(announce_level(*level))

        directory = run_recipe(
            loaded,
            path,
            jobs=jobs,
            plugins=plugins,
            checkpoint_seconds=checkpoint_seconds,
            on_level=on_level,
            on_look=view,
        )
    opened = Run(directory)
    report = write_report(opened)  # first: where the rest is printed to may be gone
    console.print(summary_table(opened, console.width))
    for (condition, replicate), reason in directory.failures().items():
        console.print(f"missing: {condition}, replicate {replicate}: {_printable(reason)}")
    console.print(f"report: {report}", soft_wrap=True)
    return 1 if any(directory.num_levels(*unit) == 0 for unit in directory.units()) else 0


@app.command
def sweep(
    path: Path,
    *,
    engine: Literal["local", "slurm"] = "local",
    out: Path | None = None,
    jobs: int | None = None,
    plugins: Plugins = [],  # noqa: B006
    checkpoint_seconds: float | None = None,
    status: bool = False,
    collect: bool = False,
    cancel: bool = False,
    draw: str | None = None,
    quantity: str = "test_accuracy",
    partition: str | None = None,
    time: str = "24:00:00",
    mem: str | None = None,
    gpus: int = 0,
    cpus: int = 1,
    at_once: int | None = None,
    units_per_job: int = 1,
    sbatch: Sbatch = [],  # noqa: B006
) -> int:
    """Run a recipe over lists of values. Goes on where it stopped; new values run only what is new.

    Parameters
    ----------
    path
        The sweep file, or, for --status, --collect and --cancel, the folder of a sweep.
    engine
        Run here, or submit to Slurm and return.
    out
        The folder [default: sweeps/<name>].
    jobs
        Processes side by side, here [default: by the size of networks and machine].
    checkpoint_seconds
        How often, at least, the middle of a level is saved [default: 60 here, 600 on Slurm].
    status
        Say how far the sweep is, and end.
    collect
        Write results.csv with every number of every case, and end.
    cancel
        Cancel the sweep's jobs on Slurm, which save where they are, and end.
    draw
        Two varied fields with a comma between, over which a quantity is drawn, as in pruning.rate,seed.
    quantity
        Of --draw, as in locality.near.
    partition
        Slurm's.
    time
        Of a Slurm job, as sbatch takes it; one that reaches it saves where it is and queues again.
    mem
        Of a Slurm job, as in 8G.
    gpus
        Of a Slurm job.
    cpus
        Of a Slurm job.
    at_once
        Slurm jobs of one array that may run at the same time.
    units_per_job
        Trainings that a Slurm job does one after the other.
    """
    from sparsight.report.sweep_summary import announce_unit, sweep_table
    from sparsight.run import slurm
    from sparsight.run.preparation import load_plugins
    from sparsight.run.sweep import plan_sweep
    from sparsight.run.sweep import sweep as run_sweep
    from sparsight.run.sweep_results import Sweep, open_sweep
    from sparsight.run.sweep_settings import folder_of

    load_plugins(plugins)
    console = _console()
    if status or collect or cancel or draw:
        opened = open_sweep(out or folder_of(path))
        if cancel:
            cancelled = slurm.cancel(opened.directory)
            console.print(f"cancelled: {' '.join(cancelled) or 'nothing, for nothing was in the queue'}")
        console.print(sweep_table(opened, slurm.queue(opened.directory)))
        if collect:
            opened.frame().to_csv(opened.path / "results.csv", index=False)
            console.print(f"results: {opened.path / 'results.csv'}", soft_wrap=True)
        if draw:
            from sparsight.report.sweep_figures import write_sweep_figure

            x, _, y = (part.strip() for part in draw.partition(","))
            picture = write_sweep_figure(opened, x, y, quantity, opened.path / f"{quantity}.png")
            console.print(f"picture: {picture}", soft_wrap=True)
        return 0
    options = slurm.SlurmOptions(
        partition, time, mem, gpus, cpus, at_once, units_per_job, tuple(sbatch)
    )  # before anything is written
    plan = plan_sweep(path, out, runs_here=engine == "local")
    console.print(
        f"{plan.directory.path}: {len(plan.cases)} cases, {len(plan.unfinished())} trainings to do",
        soft_wrap=True,
    )
    if engine == "slurm":
        submitted = slurm.submit(
            plan, options, plugins=plugins, checkpoint_seconds=checkpoint_seconds or 600.0
        )
        console.print(f"submitted: {len(submitted)} jobs; see sparsight sweep {plan.directory.path} --status")
        return 0
    outcomes = run_sweep(
        plan,
        jobs=jobs,
        plugins=plugins,
        checkpoint_seconds=checkpoint_seconds or 60.0,
        on_unit=lambda outcome: console.print(announce_unit(outcome), soft_wrap=True),
    )
    console.print(sweep_table(Sweep(plan.directory)))
    return 1 if any(outcome.end == "error" for outcome in outcomes) else 0


@app.command
def recipes(name: str | None = None) -> None:
    """List the shipped recipes, or print one as TOML to start your own from.

    Parameters
    ----------
    name
        The recipe to print.
    """
    from sparsight.run.recipe import shipped_recipes

    shipped = shipped_recipes()
    if name is None:
        width = max(map(len, shipped))
        for each, text in shipped.items():
            print(f"{each:{width}}  {tomllib.loads(text)['question'].splitlines()[0]}")
    elif name in shipped:
        print(shipped[name], end="")
    else:
        raise InputError(f"no shipped recipe is called {name!r}; there are {', '.join(shipped)}")


@app.command
def reproduce(
    *claims: str,
    scale: str = "smoke",
    out: Path = Path("runs"),
    results: Path | None = None,
    jobs: int | None = None,
    robustness: bool = True,
) -> None:
    """Run the papers' claims and give a verdict on each; without a name, list them.

    Parameters
    ----------
    claims
        Names, or all.
    scale
        smoke (minutes; verdicts mean nothing), laptop, or paper.
    out
        Where runs lie. Finished ones are read, unfinished ones go on.
    results
        Where result tables are written [default: <out>/claims/<scale>].
    jobs
        Processes side by side [default: one for each core].
    robustness
        Whether to repeat with width, learning rate and rewind step halved and doubled.
    """
    from sparsight.report.claims_summary import claims_table, findings_table, run_notice
    from sparsight.reproduce.registry import all_claims, claims_named
    from sparsight.reproduce.reproduction import Studies
    from sparsight.reproduce.reproduction import reproduce as reproduce_claim
    from sparsight.reproduce.study import scale_named
    from sparsight.reproduce.tables import write_table

    console = _console()
    if not claims:
        console.print(claims_table(all_claims().values()))
        return
    wanted = list(all_claims()) if claims == ("all",) else claims
    studies = Studies(
        scale_named(scale),
        out,
        jobs=jobs,
        on_study=lambda name, path: console.print(run_notice(name, path), soft_wrap=True),
    )
    for claim in claims_named(wanted):
        outcome = reproduce_claim(claim, studies, robustness=robustness)
        console.print(findings_table(outcome))
        path = write_table(outcome, results or out / "claims" / scale)
        console.print(f"table: {path}", soft_wrap=True)


@app.command
def measure(
    run: Path,
    *,
    instruments: str | None = None,
    plugins: Plugins = [],  # noqa: B006
) -> None:
    """Apply instruments to the stored levels of a run again.

    Parameters
    ----------
    run
        The run directory.
    instruments
        Names with commas between, as in cavity,locality [default: the recipe's].
    """
    from sparsight.report.page import write_report
    from sparsight.report.summary import announce_level, summary_table
    from sparsight.run.measuring import measure_again
    from sparsight.run.preparation import load_plugins
    from sparsight.run.results import open_run

    load_plugins(plugins)
    opened = open_run(run)
    console = _console()
    measure_again(
        opened.directory,
        instruments.split(",") if instruments else None,
        on_level=lambda *level: console.print(announce_level(*level)),
    )
    console.print(summary_table(opened, console.width))
    console.print(f"report: {write_report(opened)}", soft_wrap=True)


@app.command
def report(*runs: Path, out: Path | None = None) -> None:
    """Write the report of a run, or of several side by side: one HTML file that needs no network.

    Parameters
    ----------
    runs
        Run directories; the others are compared with the first.
    out
        The file [default: report.html in the run directory; of several runs, comparison.html here].
    """
    from sparsight.report.page import write_page_of
    from sparsight.report.summary import summary_table
    from sparsight.run.results import open_run

    opened = [open_run(path) for path in runs]
    if not opened:
        raise InputError("no run is given; name at least one run directory")
    console = _console()
    for each in opened:
        console.print(summary_table(each, console.width))
    path = out or (opened[0].directory.report if len(opened) == 1 else Path("comparison.html"))
    console.print(f"report: {write_page_of(opened, path)}", soft_wrap=True)


@app.command
def figures(
    run: Path, *, formats: Annotated[str, Parameter(name="--format")] = "svg,pdf,png", out: Path | None = None
) -> None:
    """Write every panel of a run's report as a figure of its own.

    Parameters
    ----------
    run
        The run directory.
    formats
        With commas between: svg, pdf, png.
    out
        The folder [default: figures in the run directory].
    """
    from sparsight.report.figure_files import write_figures
    from sparsight.run.results import open_run

    folder = out or run / "figures"
    written = write_figures(open_run(run), folder, [each.strip() for each in formats.split(",")])
    _console().print(f"{len(written)} figures and captions.md: {folder}", soft_wrap=True)


@app.command
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
    """Write masks, weights or cavity maps over the levels as an animation.

    Parameters
    ----------
    run
        The run directory.
    condition
        One of the recipe's [default: its first].
    replicate
        Counted from 0.
    layer
        As in linear_0 [default: the first that was measured].
    what
        What is shown of each unit.
    units
        Units shown at most.
    fps
        Levels a second.
    out
        A .gif, .webp, or, with ffmpeg installed, .mp4 [default: movie-<condition>-<what>.gif in the run].
    """
    from sparsight.report.movie import write_movie
    from sparsight.run.results import open_run

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
    _console().print(f"movie: {path}", soft_wrap=True)


@app.command
def status(*runs: Path) -> None:
    """List runs: state, replicates and levels done, last accuracy, age, time left, and who writes to them.

    Parameters
    ----------
    runs
        Run directories [default: those in runs/].
    """
    from sparsight.report.live_view import status_table
    from sparsight.run.run_state import run_state
    from sparsight.run.store import RECIPE, RunDirectory

    found = runs or tuple(sorted(path.parent for path in Path("runs").glob(f"*/{RECIPE}")))
    if not found:
        raise InputError("there is no run in runs/; name the run directories to list")
    console = _console()
    console.print(status_table([run_state(RunDirectory.open(path)) for path in found]))


@app.command
def check(run: Path) -> int:
    """Verify every file of a run: what is damaged, the last good level, and what `run` will do about it.

    Exit status 1 if anything is damaged.

    Parameters
    ----------
    run
        The run directory.
    """
    from sparsight.report.health import health_lines
    from sparsight.run.integrity import check_run
    from sparsight.run.store import RunDirectory

    problems, replicates = check_run(RunDirectory.open(run))
    for line in health_lines(problems, replicates):
        print(line)
    return 1 if problems or any(health.problems for health in replicates) else 0


@app.command
def data(
    name: str | None = None,
    *,
    overrides: Overrides = [],  # noqa: B006
    seed: int = 0,
    download: bool = False,
    mirrors: Annotated[list[str], Parameter(name="--mirror", negative="")] = [],  # noqa: B006
) -> None:
    """Say which data are there and what is missing, describe one source, or download it.

    Parameters
    ----------
    name
        A data source, as in photographs or fashion-mnist.
    overrides
        Options of the source, as in num_train=1000.
    seed
        Of what is drawn.
    download
        Get fashion-mnist, mnist or cifar10 where it is published, into the user's cache folder.
    mirrors
        A folder of your own with the same files, https: or file:, tried first; their SHA-256 are known.
    """
    if download:
        from sparsight.data.published_sets import PUBLISHED, download_set

        if name is None:
            raise InputError(f"--download needs a name: {', '.join(PUBLISHED)}")
        folder = download_set(name, mirrors, lambda url: print(f"getting {url}", file=sys.stderr))
        print(f"{name} is in {folder}: use it with --set data.folder={folder}")
        return

    from sparsight.report.data_tables import availability_table, description_table

    _console().print(description_table(name, overrides, seed) if name else availability_table())


def _printable(text: str) -> str:
    """Replace control characters, with which a file of another could steer the terminal."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split())
    )


def _console() -> Console:
    # What a run holds may be another's: brackets and colons in it are text, and no instructions.
    console = Console(highlight=False, markup=False, emoji=False)
    # A file or pipe has no width of its own: write tables whole.
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=160)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on stderr and exit status 2."""
    sys.exit(
        _exit_status(
            lambda: app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        )
    )


def _exit_status(call: Callable[[], Any]) -> int:
    try:
        status = call()
    except (InputError, CycloptsError) as error:
        _complain(f"{' '.join(str(error).split())}")
        return 2
    except KeyboardInterrupt as interruption:
        _complain("stopped; the same command goes on from there")
        return 128 + getattr(interruption, "signal_number", signal.SIGINT)
    except BrokenPipeError:  # `sparsight … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return 2
    return status if isinstance(status, int) else 0


def _complain(line: str) -> None:
    with suppress(OSError):  # the terminal is gone
        print(f"sparsight: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
