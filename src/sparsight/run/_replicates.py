"""Replicates of one condition in one process: imp → instruments → store, from the last whole level on."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sparsight.errors import DivergenceError, InputError
from sparsight.network import linear_layers
from sparsight.prune import (
    Acceleration,
    Level,
    connectivity,
    imp,
    imp_together,
)
from sparsight.run._measuring import (
    measure,
    measure_snapshots,
)
from sparsight.run._plan import Execution, Group
from sparsight.run._plugin_exits import refusing_exit
from sparsight.run._plugins import load_plugins
from sparsight.run._prepared import Prepared, prepare
from sparsight.run._same_run import (
    check_same_code,
    data_digest,
    say_other_crossovers,
)
from sparsight.run._shared_levels import trained_by_another
from sparsight.run._step_watch import StepWatch, Stop
from sparsight.run._stopping import is_stop_requested, leave_signals_to_owner
from sparsight.sparse import Crossovers
from sparsight.store import (
    CHECKPOINT,
    RunDirectory,
    forget_progress,
    identity_of,
    made_with,
    own_functions,
    recorded_crossovers,
    write_level,
)


def run_replicates(path: Path, group: Group, execution: Execution) -> None:
    """Run replicates of one condition to their end, each from its last whole level.

    A single replicate is trained alone; several are trained as one program, see
    `sparsight.prune.imp_together`. If the training of a replicate diverges, that is recorded in the run, its
    earlier levels stay, and the other replicates continue.

    Parameters
    ----------
    path : Path
        The run directory. The caller holds the right to write to it, or to these replicates.

    Raises
    ------
    InputError
        If a file cannot be written or read. What was stored before is whole.
    """
    if execution.owner_pid != os.getpid():
        leave_signals_to_owner()
    # Groups that were waiting are begun even after a stop: these must not even load their data.
    if is_stop_requested(execution.stop_request):
        return
    load_plugins(execution.plugins)  # a worker is a new process, in which nothing is registered yet
    torch.set_num_threads(execution.threads)
    directory = RunDirectory.open(path)
    check_same_code(directory, accept_changes=execution.accept_changes)
    # Now, and not with each level: the file may change later, and what runs is what was executed.
    own_code = {name: function.sha256 for name, function in own_functions([group.condition]).items()}
    with refusing_exit(), explaining_storage(directory.replicate(group.name, group.replicates[0])):
        prepared = list(
            filter(None, (prepare(directory, group, number, execution) for number in group.replicates))
        )
        if not prepared:
            return
        watch = StepWatch([each.folder for each in prepared], execution)
        crossovers = _crossovers(directory, group, prepared)
        facts = {
            "threads": execution.threads,
            "together": len(prepared),
            "cuda_graph": execution.cuda_graph,
            "made_with": made_with(),
            "own_code": own_code,
            "crossovers": crossovers,
        }
        if len(prepared) == 1:
            prepared = [_with_level_of_another(directory, group, prepared[0], facts)]
        try:
            acceleration = Acceleration(crossovers=crossovers, cuda_graph=execution.cuda_graph)
            levels = _levels(group, prepared, watch, acceleration)
            _store_levels(directory, group, prepared, levels, facts)
        except Stop:
            return
        finally:
            for each in prepared:
                forget_progress(each.folder)


def _with_level_of_another(
    directory: RunDirectory, group: Group, prepared: Prepared, facts: Mapping[str, Any]
) -> Prepared:
    """Return the replicate as it is, or at the end of level 0 if another condition has trained that."""
    found = trained_by_another(
        directory, group, prepared.number, prepared.replicate, {**facts, "data": data_digest(prepared.facts)}
    )
    if found is None:
        return prepared
    checkpoint, name = found
    at_end = replace(prepared.replicate, checkpoint=checkpoint)
    return replace(prepared, replicate=at_end, trained_by=name)


def _crossovers(directory: RunDirectory, group: Group, prepared: Sequence[Prepared]) -> Crossovers:
    """Return the run's crossovers; networks that are trained together take none."""
    if len(prepared) > 1:
        return {}
    network, kernel = prepared[0].replicate.network, group.condition.training.effective_kernel
    crossovers = recorded_crossovers(directory.path, network, kernel)
    say_other_crossovers(directory, group.name, prepared[0].number, crossovers)
    return crossovers


def _levels(
    group: Group, prepared: Sequence[Prepared], watch: StepWatch, acceleration: Acceleration
) -> Iterator[tuple[int, Level | DivergenceError]]:
    """Yield every level once it is trained, with the position of its replicate in `prepared`."""
    training, pruning = group.condition.training, group.condition.pruning
    if len(prepared) > 1:
        replicates = [each.replicate for each in prepared]
        yield from imp_together(
            replicates, training, pruning, on_step=watch, cuda_graph=acceleration.cuda_graph
        )
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
            acceleration=acceleration,
            masks=one.masks,
            starting_state=one.starting_state,
            at_steps=one.at_steps,
        ):
            yield 0, level
    except DivergenceError as error:
        yield 0, error


def _store_levels(
    directory: RunDirectory,
    group: Group,
    prepared: Sequence[Prepared],
    levels: Iterable[tuple[int, Level | DivergenceError]],
    facts: Mapping[str, Any],
) -> None:
    began, index, train_seconds = time.perf_counter(), -1, 0.0
    for position, level in levels:
        each, trained = prepared[position], time.perf_counter()
        if isinstance(level, DivergenceError):
            directory.note_failure(group.name, each.number, str(level))
            forget_progress(each.folder)
            continue
        # Replicates that are trained together finish a level at one moment, but arrive here one after the
        # other: only for the first of them does the time since `began` hold no measuring of the others.
        if level.index != index:
            index, train_seconds = level.index, trained - began
        measures = measure(level, each.replicate.task, each.twin, group.condition)
        over_training = measure_snapshots(level, each.replicate.task, each.twin, group.condition)
        level_facts = _facts(level) | {
            "train_seconds": train_seconds,
            "measure_seconds": time.perf_counter() - trained,
            **facts,
            "data": data_digest(each.facts),
            "identity": identity_of(directory.recipe, group.name, each.number),
            **({"snapshots": over_training} if over_training else {}),
            **({"trained_by": each.trained_by} if each.trained_by and level.index == 0 else {}),
        }
        write_level(directory.level(group.name, each.number, level.index), level, measures, level_facts)
        # Only now: killed between the two, the run ignores the checkpoint of a level that is stored. The
        # other way round it would have neither.
        (each.folder / CHECKPOINT).unlink(missing_ok=True)
        if level.is_last:
            forget_progress(each.folder)
        began = time.perf_counter()


@contextmanager
def explaining_storage(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into an `InputError` that names the file and how to resume.

    The folder is named where the system does not say which file it was.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or folder} cannot be written or read: {error.strerror or error}; what was "
            "stored before is whole: mend that, and the same command resumes the run"
        ) from None


def _facts(level: Level) -> dict[str, Any]:
    shapes = {
        name: (layer.out_features, layer.in_features) for name, layer in linear_layers(level.network).items()
    }
    return {"connectivity": asdict(connectivity(level.masks, shapes)), "kernels": level.kernels}
