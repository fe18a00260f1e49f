"""Commands that compute: run, sweep, measure, reproduce."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from sparsight.cli._terminal import Overrides, Plugins, Sbatch, printable, terminal

# Every command imports what it needs itself: torch takes two seconds, `--help` should not.


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
    together: int | None = None,
    cuda_graph: bool = False,
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
    together
        Replicates of a condition that are trained as one program, all layers dense [default: on a GPU as many
        as fit into its memory, on a CPU 1].
    cuda_graph
        On a GPU, launch the kernels of a step all at once.
    """
    from sparsight.cli.views._live_view import LiveView
    from sparsight.cli.views._summary import announce_level, summary_table
    from sparsight.recipe import load_recipe
    from sparsight.report import TensorBoardLog, write_report
    from sparsight.run import load_plugins, run_recipe
    from sparsight.store import Run, default_path, unused_path

    load_plugins(plugins)
    loaded = load_recipe(recipe, overrides)
    path = out or default_path(loaded)
    if fresh:
        path = unused_path(path)
    console = terminal()
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
            together=together,
            cuda_graph=cuda_graph,
        )
    opened = Run(directory)
    report = write_report(opened)  # first: where the rest is printed to may be gone
    console.print(summary_table(opened, console.width))
    for (condition, replicate), reason in directory.failures().items():
        console.print(f"missing: {condition}, replicate {replicate}: {printable(reason)}")
    console.print(f"report: {report}", soft_wrap=True)
    return 1 if any(directory.num_levels(*unit) == 0 for unit in directory.replicates()) else 0


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
    from sparsight.cli.views._sweep import announce_replicate, sweep_table
    from sparsight.run import load_plugins
    from sparsight.sweep import Sweep, _slurm as slurm, folder_of, open_sweep, plan_sweep, sweep as run_sweep

    load_plugins(plugins)
    console = terminal()
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
            from sparsight.figures import write_sweep_figure

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
        on_replicate=lambda outcome: console.print(announce_replicate(outcome), soft_wrap=True),
    )
    console.print(sweep_table(Sweep(plan.directory)))
    return 1 if any(outcome.end == "error" for outcome in outcomes) else 0


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
    from sparsight.cli.views._summary import announce_level, summary_table
    from sparsight.report import write_report
    from sparsight.run import load_plugins, measure_again
    from sparsight.store import open_run

    load_plugins(plugins)
    opened = open_run(run)
    console = terminal()
    measure_again(
        opened.directory,
        instruments.split(",") if instruments else None,
        on_level=lambda *level: console.print(announce_level(*level)),
    )
    console.print(summary_table(opened, console.width))
    console.print(f"report: {write_report(opened)}", soft_wrap=True)


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
    from sparsight.cli.views._claims import claims_table, findings_table, run_notice
    from sparsight.reproduce import (
        Studies,
        all_claims,
        claims_named,
        reproduce as reproduce_claim,
        scale_named,
        write_table,
    )

    console = terminal()
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
