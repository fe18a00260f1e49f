"""The main job: plan a recipe, then carry the plan out, groups of replicates side by side."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from joblib import Parallel, delayed

from sparsight.recipe import Recipe
from sparsight.run._plan import Execution, plan_run
from sparsight.run._replicates import explaining_storage, run_replicates
from sparsight.run._same_run import note_environment, note_same_code
from sparsight.run._step_watch import OnLevel, OnLook, announcing
from sparsight.run._stopping import request_stop, start_workers, stopping_on_signals
from sparsight.store import RunDirectory


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
    """
    plan = plan_run(recipe, out, jobs=jobs, together=together, cuda_graph=cuda_graph)
    directory = RunDirectory.create(plan.recipe, plan.path)
    execution = Execution(
        threads=plan.placement.threads,
        plugins=tuple(map(Path, plugins)),
        checkpoint_seconds=checkpoint_seconds,
        stop_folder=directory.path,
        cuda_graph=cuda_graph,
        accept_changes=accept_changes,
    )
    # Left in the reverse order: workers have stopped and signals are given back, the last levels are
    # announced, and only then is the lock released.
    with (
        explaining_storage(directory.path),
        directory.writing(on_lost=lambda: request_stop(directory.path)),
        announcing(directory, on_level, on_look),
        stopping_on_signals(directory.path),
    ):
        note_same_code(directory, accept_changes=accept_changes)
        note_environment(directory, plan.placement, accept_changes=accept_changes)
        directory.note_placement(asdict(plan.placement))
        start_workers(plan.placement.jobs)
        for wave in plan.waves():
            Parallel(n_jobs=plan.placement.jobs)(
                delayed(run_replicates)(directory.path, group, execution) for group in wave
            )
    return directory
