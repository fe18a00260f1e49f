"""``sparsight run``."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from sparsight.cli._terminal import AcceptChanges, Overrides, Plugins, terminal
from sparsight.printable import printable

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def run(
    recipe: str = "textures",
    *,
    overrides: Overrides = (),
    out: Path | None = None,
    fresh: bool = False,
    jobs: int | None = None,
    plugins: Plugins = (),
    checkpoint_seconds: float = 60.0,
    log: Literal["tensorboard"] | None = None,
    together: int | None = None,
    cuda_graph: bool = False,
    accept_changes: AcceptChanges = False,
    levels: bool = False,
) -> int:
    """Run a recipe: train, prune, measure, and report. The same command resumes a stopped run.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.
    overrides
        Override a field of the recipe: key=value, as in pruning.rate=0.2.
    out
        Run directory. [default: runs/RECIPE-HASH]
    fresh
        Start another run beside an existing one.
    jobs
        Processes side by side. [default: up to one per core]
    checkpoint_seconds
        Longest time between two checkpoints within a level.
    log
        Also write TensorBoard event files into the run directory.
    together
        Replicates of a condition to train as one program, all layers dense. [default: on a GPU as many as fit
        into its memory, on a CPU 1]
    cuda_graph
        On a GPU, launch all kernels of a training step at once (experimental, not yet run on a GPU).
    levels
        End with a table of every level, not of the last ones alone.
    """
    from sparsight.cli.views._live_view import LiveView
    from sparsight.cli.views._summary import announce_level, print_summary
    from sparsight.recipe import load_recipe
    from sparsight.report import TensorBoardLog, write_report
    from sparsight.run import load_plugins, run_recipe
    from sparsight.store import Run, default_path

    load_plugins(plugins)  # before the recipe is read, which may name what they register
    loaded = load_recipe(recipe, overrides)
    path = out or default_path(loaded)
    if fresh:
        path = _unused_path(path)
    console = terminal()
    names = loaded.condition_names()
    console.print(
        f"{loaded.name}: {', '.join(names)}; {loaded.replicates * len(names)} trainings from dense to sparse "
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
            together=together,
            cuda_graph=cuda_graph,
            accept_changes=accept_changes,
        )
        if events is not None:
            events.catch_up(directory)
    opened = Run(directory).at_one_moment()
    # First: the terminal may be gone, and then printing raises.
    report = write_report(opened)
    print_summary(console, opened, levels=levels)
    for (condition, replicate), reason in directory.failures().items():
        console.print(f"missing: {condition}, replicate {replicate}: {printable(reason)}")
    console.print(f"report: {report}", soft_wrap=True)
    return 1 if any(directory.num_levels(*replicate) == 0 for replicate in directory.replicates()) else 0


def _unused_path(path: Path) -> Path:
    """Return the path if it is free, else the first free one of ``<path>-2``, ``<path>-3`` and so on."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
