"""Run a recipe: imp → instruments → store, one process for each replicate of each condition."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from torch import nn

from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.prune.connectivity import connectivity
from sparsight.prune.imp import Level, imp
from sparsight.run.checkpoint_file import CHECKPOINT, read_checkpoint
from sparsight.run.crossover_file import recorded_crossovers
from sparsight.run.integrity import check_replicate, set_aside_damaged
from sparsight.run.level_files import write_level
from sparsight.run.measuring import measure, measure_stored
from sparsight.run.placement import place
from sparsight.run.preparation import build_network, build_tasks, check_recipe, devices_of, load_plugins
from sparsight.run.progress_file import forget_progress
from sparsight.run.recipe import Recipe
from sparsight.run.stopping import ignore_terminal, is_stop_requested, request_stop, stopping_on_signals
from sparsight.run.store import RunDirectory, default_path
from sparsight.run.watching import OnLevel, OnLook, StepWatch, Stop, announcing
from sparsight.train import DivergenceError

_log = logging.getLogger(__name__)


def run(
    recipe: Recipe,
    out: Path | None = None,
    *,
    jobs: int | None = None,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    on_level: OnLevel | None = None,
    on_look: OnLook | None = None,
) -> RunDirectory:
    """Run every replicate of every condition, and go on where an earlier run stopped.

    Parameters
    ----------
    recipe : Recipe
    out : Path, optional
        The run directory. Default ``runs/<recipe>-<hash>``.
    jobs : int, optional
        Processes side by side; the machine's cores are shared out among them. Default: by the size of the
        networks and of the machine, see `sparsight.run.placement.place`. Recorded in ``placement.json``.
    plugins : sequence of Path
        Python files that register criteria, instruments or data sources.
    checkpoint_seconds : float
        How often, at least, the middle of a level is saved.
    on_level : callable, optional
        Called as ``on_level(run_directory, condition, replicate, level)`` once a level is stored.
    on_look : callable, optional
        Called with the run directory twice a second, for a view of how far it is.

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
    size = check_recipe(recipe)
    directory = RunDirectory.create(recipe, out or default_path(recipe))
    units = directory.units()
    placement = place(size, len(units), devices_of(recipe), jobs)
    with (
        _explaining_storage(directory.path),
        directory.writing(on_lost=lambda: request_stop(directory.path)),
        announcing(directory, on_level, on_look),
        stopping_on_signals(directory.path),
    ):
        directory.note_placement(placement.facts())
        Parallel(n_jobs=placement.jobs)(
            delayed(run_replicate)(
                directory.path,
                condition,
                replicate,
                threads=placement.threads,
                plugins=plugins,
                checkpoint_seconds=checkpoint_seconds,
                owner=os.getpid(),
            )
            for condition, replicate in units
        )
    return directory


def run_replicate(
    path: Path,
    condition_name: str,
    replicate: int,
    *,
    threads: int,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    owner: int | None = None,
    holder: Path | None = None,
) -> None:
    """Run one replicate of one condition to its end, from the last level that is whole.

    If training diverges, that is recorded in the run and the levels before it stay.

    Parameters
    ----------
    path : Path
        The run directory, which the caller holds the right to write to.
    condition_name : str
    replicate, threads : int
    plugins : sequence of Path
    checkpoint_seconds : float
    owner : int, optional
        The process that started this one and holds that right: when it is gone, this one stops.
        Default: this one.
    holder : Path, optional
        The folder in which a request to stop appears. Default: the run directory.

    Raises
    ------
    InputError
        If a file cannot be written or read; what was stored before is whole.
    """
    owner, holder = owner or os.getpid(), holder or path
    if owner != os.getpid():
        ignore_terminal()
    if is_stop_requested(holder, owner):
        return
    load_plugins(plugins)
    torch.set_num_threads(threads)
    directory = RunDirectory.open(path)
    folder = directory.replicate(condition_name, replicate)
    condition = directory.recipe.condition(condition_name)
    seed = directory.recipe.replicate_seed(replicate)
    with _explaining_storage(folder):
        task, twin = build_tasks(condition, seed)
        directory.begin(condition_name, replicate, _task_facts(task))
        network = build_network(condition, task, seed)
        start = _mended_start(directory, condition_name, replicate, network, task, twin)
        levels = imp(
            network,
            task,
            condition.training,
            condition.pruning,
            seed=seed,
            start=start,
            checkpoint=read_checkpoint(folder),
            on_step=StepWatch(folder, holder, owner, checkpoint_seconds),
            crossovers=recorded_crossovers(directory.path, network, condition.training.effective_kernel),
        )
        try:
            _store_levels(directory, condition_name, replicate, levels, task, twin, threads)
        except DivergenceError as error:
            directory.note_failure(condition_name, replicate, str(error))
        except Stop:
            return
        finally:
            forget_progress(folder)


def _store_levels(
    directory: RunDirectory,
    name: str,
    replicate: int,
    levels: Iterable[Level],
    task: Task,
    twin: Task | None,
    threads: int,
) -> None:
    condition = directory.recipe.condition(name)
    began = time.perf_counter()
    for level in levels:
        trained = time.perf_counter()
        measures = measure(level, task, twin, condition)
        facts = _facts(level, trained - began, time.perf_counter() - trained, threads)
        write_level(directory.level(name, replicate, level.index), level, measures, facts)
        (directory.replicate(name, replicate) / CHECKPOINT).unlink(missing_ok=True)
        began = time.perf_counter()


def _mended_start(
    directory: RunDirectory, name: str, replicate: int, network: nn.Module, task: Task, twin: Task | None
) -> Level | None:
    """Return the level to go on after, damaged ones set aside and damaged measures made again."""
    health = check_replicate(directory, name, replicate)
    for problem in health.problems:
        _log.warning("%s", problem)
    for path in set_aside_damaged(directory, health):
        _log.warning("set aside as %s, to be computed again", path)
    for index in health.unmeasured:
        folder = directory.level(name, replicate, index)
        measure_stored(folder, network, task, twin, directory.recipe.condition(name), before={})
    if health.last_good is None:
        return None
    rewind = directory.read(name, replicate, 0).rewind
    return directory.read(name, replicate, health.last_good).as_level(network, rewind)


@contextmanager
def _explaining_storage(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or folder} cannot be written or read: {error.strerror or error}; what was "
            "stored before is whole: mend that, and the same command goes on from there"
        ) from None


def _facts(level: Level, train_seconds: float, measure_seconds: float, threads: int) -> dict[str, Any]:
    shapes = {
        name: (layer.out_features, layer.in_features) for name, layer in linear_layers(level.network).items()
    }
    connected = connectivity(level.masks, shapes)
    return {
        "connectivity": {
            "num_units": connected.num_units,
            "num_connected": connected.num_connected,
            "severed_layers": list(connected.severed_layers),
            "has_path": connected.has_path,
        },
        "kernels": level.kernels,
        "train_seconds": train_seconds,
        "measure_seconds": measure_seconds,
        "threads": threads,
    }


def _task_facts(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "geometry": {
            "channels": task.geometry.channels,
            "size": list(task.geometry.size),
            "wraps": task.geometry.wraps,
        },
        "num_classes": task.num_classes,
        "num_train": len(task.train_labels),
        "num_test": len(task.test_labels),
        "card": dict(task.card),
    }
