"""Run a recipe: imp → instruments → store, replicates of each condition alone or in groups."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed

from sparsight.recipe import Recipe
from sparsight.run._plan import check_execution, grouped, num_together
from sparsight.run._preflight import check_recipe, devices_of
from sparsight.run._replicates import explaining_storage, run_replicates
from sparsight.run._resources import place
from sparsight.run._step_watch import OnLevel, OnLook, announcing
from sparsight.run._stopping import request_stop, stopping_on_signals
from sparsight.store import RunDirectory, default_path


def run_recipe(
    recipe: Recipe,
    out: Path | None = None,
    *,
    jobs: int | None = None,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    on_level: OnLevel | None = None,
    on_look: OnLook | None = None,
    together: int | None = None,
    cuda_graph: bool = False,
) -> RunDirectory:
    """Run every replicate of every condition, and go on where an earlier run stopped.

    Parameters
    ----------
    recipe : Recipe
    out : Path, optional
        The run directory. Default ``runs/<recipe>-<hash>``.
    jobs : int, optional
        Processes side by side; the machine's cores are shared out among them. Default: by the size of the
        networks and of the machine, see `sparsight.run.place`. Recorded in ``placement.json``.
    plugins : sequence of Path
        Python files that register criteria, instruments or data sources.
    checkpoint_seconds : float
        How often, at least, the middle of a level is saved.
    on_level : callable, optional
        Called as ``on_level(run_directory, condition, replicate, level)`` once a level is stored.
    on_look : callable, optional
        Called with the run directory twice a second, for a view of how far it is.
    together : int, optional
        How many replicates of a condition are trained as one program on stacked weights, all layers dense:
        the same mathematics as one by one, another rounding. Default: on a GPU as many as fit into its
        memory, on a CPU 1. Recorded in ``placement.json`` and with every level.
    cuda_graph : bool
        On a GPU: whether forward and backward pass are recorded once and replayed, see
        `sparsight.train._cuda_graph`.

    Returns
    -------
    RunDirectory
        Replicates whose training diverged are in its `failures`.

    Raises
    ------
    InputError
        Before anything is written, if the recipe cannot be run here; or if another process is writing.
    Interrupted
        If SIGINT, SIGTERM, SIGUSR1 or SIGHUP came: every replicate has stopped after its next step and
        saved where it was, and the same call goes on from there.
    """
    check_execution(recipe, together, cuda_graph)
    size = check_recipe(recipe)
    numbers = num_together(recipe, size, together)
    groups = grouped(recipe, numbers)
    directory = RunDirectory.create(recipe, out or default_path(recipe))
    placement = place(size.times(max(numbers.values())), len(groups), devices_of(recipe), jobs)
    placement = dataclasses.replace(placement, together=numbers, cuda_graph=cuda_graph)
    with (
        explaining_storage(directory.path),
        directory.writing(on_lost=lambda: request_stop(directory.path)),
        announcing(directory, on_level, on_look),
        stopping_on_signals(directory.path),
    ):
        directory.note_placement(placement.facts())
        Parallel(n_jobs=placement.jobs)(
            delayed(run_replicates)(
                directory.path,
                condition,
                replicates,
                threads=placement.threads,
                plugins=plugins,
                checkpoint_seconds=checkpoint_seconds,
                owner=os.getpid(),
                cuda_graph=cuda_graph,
            )
            for condition, replicates in groups
        )
    return directory
