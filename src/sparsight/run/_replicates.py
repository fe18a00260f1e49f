"""Replicates of one condition, from the last whole level of each to its end, in one process."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.network import linear_layers
from sparsight.prune import Execution, Level, Replicate, connectivity, imp, imp_together
from sparsight.recipe import Condition
from sparsight.run._measuring import measure, measure_stored
from sparsight.run._preflight import build_network, build_tasks, load_plugins
from sparsight.run._step_watch import StepWatch, Stop
from sparsight.run._stopping import ignore_terminal, is_stop_requested
from sparsight.store import (
    CHECKPOINT,
    RunDirectory,
    check_replicate,
    forget_progress,
    read_checkpoint,
    recorded_crossovers,
    set_aside_damaged,
    write_level,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A replicate that is ready to go on: its number, folder, data, and where it is."""

    number: int
    folder: Path
    twin: Task | None
    replicate: Replicate


def run_replicates(
    path: Path,
    condition_name: str,
    replicates: Sequence[int],
    *,
    threads: int,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    owner: int | None = None,
    holder: Path | None = None,
    cuda_graph: bool = False,
) -> None:
    """Run replicates of one condition to their end, each from its last level that is whole.

    One is trained by itself; several are trained as one program, see `sparsight.prune._together`. If
    training diverges, that is recorded in the run, the levels before it stay, and the other replicates go on.

    Parameters
    ----------
    path : Path
        The run directory, which the caller holds the right to write to.
    condition_name : str
    replicates : sequence of int
    threads : int
    plugins : sequence of Path
    checkpoint_seconds : float
    owner : int, optional
        The process that started this one and holds that right: when it is gone, this one stops.
        Default: this one.
    holder : Path, optional
        The folder in which a request to stop appears. Default: the run directory.
    cuda_graph : bool
        As for `sparsight.prune.imp`.

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
    condition = directory.recipe.condition(condition_name)
    execution = {"threads": threads, "together": len(replicates), "cuda_graph": cuda_graph}
    with explaining_storage(directory.replicate(condition_name, replicates[0])):
        prepared = [_prepared(directory, condition_name, number) for number in replicates]
        watch = StepWatch([each.folder for each in prepared], holder, owner, checkpoint_seconds)
        try:
            rounds = _rounds(directory, condition, prepared, watch, cuda_graph)
            _store_levels(directory, condition_name, prepared, rounds, execution)
        except Stop:
            return
        finally:
            for each in prepared:
                forget_progress(each.folder)


def _prepared(directory: RunDirectory, name: str, number: int) -> _Prepared:
    condition, folder = directory.recipe.condition(name), directory.replicate(name, number)
    seed = directory.recipe.replicate_seed(number)
    task, twin = build_tasks(condition, seed)
    directory.begin(name, number, _task_facts(task))
    network = build_network(condition, task, seed)
    start = _mended_start(directory, name, number, network, task, twin)
    checkpoint = read_checkpoint(folder)
    each = Replicate(network=network, task=task, seed=seed, start=start, checkpoint=checkpoint)
    return _Prepared(number, folder, twin, each)


def _rounds(
    directory: RunDirectory,
    condition: Condition,
    prepared: Sequence[_Prepared],
    watch: StepWatch,
    cuda_graph: bool,
) -> Iterator[tuple[int, Level | DivergenceError]]:
    training, pruning = condition.training, condition.pruning
    if len(prepared) > 1:
        replicates = [each.replicate for each in prepared]
        yield from imp_together(replicates, training, pruning, on_step=watch, cuda_graph=cuda_graph)
        return
    one = prepared[0].replicate
    try:
        for level in imp(
            one.network,
            one.task,
            training,
            pruning,
            seed=one.seed,
            start=one.start,
            checkpoint=one.checkpoint,
            on_step=lambda progress: watch({0: progress}),
            execution=Execution(
                recorded_crossovers(directory.path, one.network, training.effective_kernel), cuda_graph
            ),
        ):
            yield 0, level
    except DivergenceError as error:
        yield 0, error


def _store_levels(
    directory: RunDirectory,
    name: str,
    prepared: Sequence[_Prepared],
    rounds: Iterable[tuple[int, Level | DivergenceError]],
    execution: Mapping[str, Any],
) -> None:
    condition = directory.recipe.condition(name)
    began, index, train_seconds = time.perf_counter(), -1, 0.0
    for position, level in rounds:
        each, trained = prepared[position], time.perf_counter()
        if isinstance(level, DivergenceError):
            directory.note_failure(name, each.number, str(level))
            forget_progress(each.folder)
            continue
        if level.index != index:  # the first of those that were trained together
            index, train_seconds = level.index, trained - began
        measures = measure(level, each.replicate.task, each.twin, condition)
        facts = _facts(level) | {
            "train_seconds": train_seconds,
            "measure_seconds": time.perf_counter() - trained,
            **execution,
        }
        write_level(directory.level(name, each.number, level.index), level, measures, facts)
        (each.folder / CHECKPOINT).unlink(missing_ok=True)
        if level.is_last:
            forget_progress(each.folder)
        began = time.perf_counter()


def _mended_start(
    directory: RunDirectory,
    name: str,
    replicate: int,
    network: torch.nn.Module,
    task: Task,
    twin: Task | None,
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
def explaining_storage(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into an `InputError` that names the file and the mend."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or folder} cannot be written or read: {error.strerror or error}; what was "
            "stored before is whole: mend that, and the same command goes on from there"
        ) from None


def _facts(level: Level) -> dict[str, Any]:
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
