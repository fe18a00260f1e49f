"""The main job: plan a recipe, then carry the plan out, groups of replicates side by side."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from sparsight.errors import UnfinishedError
from sparsight.recipe import Recipe
from sparsight.run._building import dropping_tasks
from sparsight.run._memory import HOW_TO_USE_LESS, lacks_memory
from sparsight.run._plan import Execution, Group, RunPlan, plan_run
from sparsight.run._plugins import load_plugins
from sparsight.run._replicates import explaining_storage, run_replicates
from sparsight.run._same_run import note_environment, note_same_code
from sparsight.run._step_watch import OnLevel, OnLook, announcing, exit_if_orphaned
from sparsight.run._stopping import request_stop, stop_request_in, stopping_on_signals
from sparsight.run._workers import WorkerDeath, Workers
from sparsight.store import RunDirectory

_MOST_NAMED = 8
"""Unfinished replicates that one line names."""


def run_recipe(
    recipe: Recipe,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    plugins: Sequence[str | Path] = (),
    checkpoint_seconds: float = 60.0,
    on_level: OnLevel | None = None,
    on_look: OnLook | None = None,
    together: int | None = None,
    cuda_graph: bool = False,
    accept_changes: bool = False,
) -> RunDirectory:
    """Run every replicate of every condition, from where an earlier call stopped.

    Parameters
    ----------
    out : str or Path, optional
        The run directory. Default ``runs/<recipe>-<hash>``.
    jobs : int, optional
        Processes side by side, which share the machine's cores. Default: depends on the size of the networks
        and of the machine, see `sparsight.run.place`. Recorded in ``placement.json``.
    plugins : sequence of str or Path
        Python files that register criteria, instruments or data sources.
    checkpoint_seconds : float
        Longest time between two checkpoints within a level.
    on_level : callable, optional
        Called as ``on_level(run_directory, condition, replicate, level)`` once a level is stored.
    on_look : callable, optional
        Called with the run directory twice a second, for a view of its progress.
    together : int, optional
        Replicates of a condition that are trained as one program on stacked weights, all layers dense: the
        same mathematics as one by one, another rounding. Default: on a GPU as many as fit into its memory, on
        a CPU 1. Recorded in ``placement.json`` and with every level.
    cuda_graph : bool
        Whether forward and backward pass are recorded once on a GPU, and replayed; see
        `sparsight.train._cuda_graph`.
    accept_changes : bool
        Go on although data, own functions or random streams are others than those that the run began with.

    Returns
    -------
    RunDirectory
        Its `failures` lists replicates whose training diverged.

    Raises
    ------
    InputError
        Before anything is written, if the recipe cannot be run here. If the run was begun with other data,
        own functions or random streams.
    BusyError
        If another process is writing to the run.
    Interrupted
        If SIGINT, SIGTERM, SIGUSR1 or SIGHUP came. Every replicate has stopped after its next step and saved
        where it was; the same call resumes the run.
    UnfinishedError
        If a worker was killed, or memory ran out in it. The others have gone on; the same call resumes it.
    """
    plan = plan_run(recipe, out, jobs=jobs, together=together, cuda_graph=cuda_graph)
    directory = RunDirectory.create(plan.recipe, plan.path)
    request = stop_request_in(directory.path)
    execution = Execution(
        threads=plan.placement.threads,
        plugins=tuple(map(Path, plugins)),
        checkpoint_seconds=checkpoint_seconds,
        stop_request=request,
        cuda_graph=cuda_graph,
        accept_changes=accept_changes,
    )
    # Left in the reverse order: workers have stopped and signals are given back, the last levels are
    # announced, and only then is the lock released.
    with (
        dropping_tasks(request),
        explaining_storage(directory.path),
        directory.writing(on_lost=lambda: request_stop(request)),
        announcing(directory, on_level, on_look),
        stopping_on_signals(request),
    ):
        note_same_code(directory, accept_changes=accept_changes)
        note_environment(directory, plan.placement, accept_changes=accept_changes)
        directory.note_placement(asdict(plan.placement))
        deaths = _carry_out(plan, directory, execution)
    _refuse_unfinished(directory, deaths)
    return directory


def _carry_out(
    plan: RunPlan, directory: RunDirectory, execution: Execution
) -> list[tuple[Group, WorkerDeath]]:
    """Run every group of a plan, and return those whose workers died."""
    deaths: list[tuple[Group, WorkerDeath]] = []
    work = partial(_work_on, directory.path, execution)
    with Workers(plan.placement.jobs, work) as workers:
        for wave in plan.waves():
            lost = {group.name for group, _ in deaths}
            # The masks that these conditions would take are not all there.
            possible = [group for group in wave if not lost & set(plan.recipe.chain_of_sources(group.name))]
            # An error stops everybody, each saved where it is.
            ends = workers.work_through(possible, on_error=lambda: request_stop(execution.stop_request))
            deaths += [(group, end) for group, end in ends if end is not None]
    return deaths


def _work_on(path: Path, execution: Execution, group: Group) -> WorkerDeath | None:
    """Run a group, in whichever process; see `run_replicates`."""
    load_plugins(execution.plugins)
    directory = RunDirectory.open(path)
    try:
        with explaining_storage(path), directory.working_on(group.name, group.replicates):
            # Only now, with the locks: from here on a successor of the owner waits for this worker to end.
            exit_if_orphaned(execution.owner_pid)
            run_replicates(path, group, execution)
    except Exception as error:
        if lacks_memory(error):
            return WorkerDeath.for_want_of_memory()
        raise
    return None


def _refuse_unfinished(directory: RunDirectory, deaths: Sequence[tuple[Group, WorkerDeath]]) -> None:
    """Raise `UnfinishedError` if a replicate has neither ended nor failed; the message says why, if known."""
    causes = {(group.name, number): f": {death}" for group, death in deaths for number in group.replicates}
    unfinished = [
        f"{condition}, replicate {number} has {directory.num_levels(condition, number)} levels stored"
        + causes.get((condition, number), "")
        for condition, number in directory.replicates()
        if not directory.is_finished(condition, number) and directory.failure(condition, number) is None
    ]
    if len(unfinished) > _MOST_NAMED:
        # Those that were lost first: the others did not begin, or wait for masks of these.
        unfinished.sort(key=lambda line: ": " not in line)
        unfinished[_MOST_NAMED:] = [f"and {len(unfinished) - _MOST_NAMED} more"]
    if unfinished:
        advice = f" ({HOW_TO_USE_LESS})" if deaths else ""
        raise UnfinishedError(
            f"{directory.path} is not finished: {'; '.join(unfinished)}. What is stored is whole, and the "
            f"same command goes on from there{advice}"
        )
