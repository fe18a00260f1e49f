"""Replicates of one condition in one process: imp → instruments → store, from the last whole level on."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.network import linear_layers
from sparsight.printable import printable
from sparsight.prune import (
    NUM_SAMPLES,
    Acceleration,
    Level,
    Replicate,
    connectivity,
    imp,
    imp_together,
)
from sparsight.recipe import DataSettings, masks_of
from sparsight.run._building import Built, build, twin_settings
from sparsight.run._mask_sources import (
    check_unchanged,
    mask_source,
    starting_state_of,
    stored_masks,
)
from sparsight.run._measuring import (
    check_fits,
    measure,
    measure_snapshots,
    measure_stored,
    with_lost_instruments,
)
from sparsight.run._plan import Execution, Group
from sparsight.run._plugin_exits import refusing_exit
from sparsight.run._plugins import load_plugins
from sparsight.run._same_run import (
    check_same_code,
    compared_data,
    data_digest,
    say_other_crossovers,
)
from sparsight.run._shared_levels import trained_by_another
from sparsight.run._step_watch import StepWatch, Stop
from sparsight.run._stopping import is_stop_requested, leave_signals_to_owner
from sparsight.sparse import Crossovers
from sparsight.store import (
    CHECKPOINT,
    MASKS_FROM,
    ReplicateHealth,
    RunDirectory,
    StoredMasks,
    check_replicate,
    forget_progress,
    identity_of,
    made_with,
    own_functions,
    read_checkpoint,
    read_level,
    recorded_crossovers,
    set_aside_damaged,
    write_level,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A replicate that is ready to be trained from where it is."""

    number: int
    folder: Path
    twin: Task | None
    replicate: Replicate
    facts: dict[str, Any]  # of task.json
    trained_by: str | None = None  # the condition that trained level 0, if another one did


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
            filter(None, (_prepare(directory, group, number, execution) for number in group.replicates))
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


def _prepare(directory: RunDirectory, group: Group, number: int, execution: Execution) -> _Prepared | None:
    """Return a replicate ready to be trained; None if the one whose masks it takes has failed."""
    folder, pruning = directory.replicate(group.name, number), group.condition.pruning
    seed = directory.recipe.replicate_seed(number)
    recorded = _recorded_facts(directory, group.name, number)
    twin = twin_settings(group.condition, recorded)
    built = build(group.condition, seed, twin)
    facts = _task_facts(built, twin, group.condition.measure.num_samples) | identity_of(
        directory.recipe, group.name, number
    )
    facts |= compared_data(
        directory, group.name, number, built.task, recorded, accept_changes=execution.accept_changes
    )
    stored = None
    if masks_of(pruning) is not None:
        before = _recorded_source(directory, group.name, number)
        # A replicate that is finished needs no masks: their run may be gone.
        if check_replicate(directory, group.name, number).has_end:
            facts |= {MASKS_FROM: before}
        else:
            stored = stored_masks(directory, pruning, number)
            if stored is not None and stored.failure is not None:
                directory.begin(group.name, number, facts)
                reason = f"its masks are those of {stored}, which could not be finished: {stored.failure}"
                directory.note_failure(group.name, number, reason)
                return None
            facts |= {MASKS_FROM: _source_facts(stored, before, folder)}
    directory.begin(group.name, number, facts)
    start = _mended_start(directory, group, number, built)
    is_over = start is not None and start.is_last
    replicate = Replicate(
        network=built.network,
        task=built.task,
        seed=seed,
        start=start,
        checkpoint=read_checkpoint(folder),
        masks=None if is_over else mask_source(pruning, stored, built, seed),
        starting_state=None if is_over else starting_state_of(group.condition, built, seed),
        at_steps=group.condition.measure.at_steps,
    )
    return _Prepared(number, folder, built.twin, replicate, facts)


def _with_level_of_another(
    directory: RunDirectory, group: Group, prepared: _Prepared, facts: Mapping[str, Any]
) -> _Prepared:
    """Return the replicate as it is, or at the end of level 0 if another condition has trained that."""
    found = trained_by_another(
        directory, group, prepared.number, prepared.replicate, {**facts, "data": data_digest(prepared.facts)}
    )
    if found is None:
        return prepared
    checkpoint, name = found
    at_end = replace(prepared.replicate, checkpoint=checkpoint)
    return replace(prepared, replicate=at_end, trained_by=name)


def _recorded_source(directory: RunDirectory, name: str, number: int) -> dict[str, Any] | None:
    """Return what was recorded about the origin of a replicate's masks, if anything readable was."""
    if directory.num_levels(name, number) == 0:
        return None  # nothing was trained with those masks yet
    try:
        return directory.task_facts(name, number).get(MASKS_FROM)
    except InputError:  # damaged: `begin` writes it again
        return None


def _source_facts(
    stored: StoredMasks | None, before: Mapping[str, Any] | None, folder: Path
) -> dict[str, Any] | None:
    if stored is None:
        return None
    stored.check_finished()
    facts = stored.facts()
    if before:
        check_unchanged(before, facts, str(folder))
    return facts


def _mended_start(directory: RunDirectory, group: Group, number: int, built: Built) -> Level | None:
    """Return the level to resume after; set damaged levels aside, and mend damaged measures."""
    health = check_replicate(directory, group.name, number)
    for problem in health.problems:
        _log.warning("%s", printable(problem))
    for path in set_aside_damaged(directory, health):
        _log.warning("set aside as %s, to be computed again", path)
    _measure_damaged(directory, group, health)
    if health.last_good is None:
        return None
    rewind = read_level(directory.level(group.name, number, 0)).rewind  # only level 0 stores it
    folder = directory.level(group.name, number, health.last_good)
    last = read_level(folder)
    check_fits(folder, last, built.network)
    return last.as_level(built.network, rewind)


def _measure_damaged(directory: RunDirectory, group: Group, health: ReplicateHealth) -> None:
    if not health.unmeasured:
        return
    folders = [directory.level(group.name, health.replicate, index) for index in health.unmeasured]
    condition = with_lost_instruments(group.condition, folders)
    facts = _recorded_facts(directory, group.name, health.replicate)
    seed = directory.recipe.replicate_seed(health.replicate)
    # Built anew: measuring overwrites the network, and other instruments may need the twin.
    built = build(condition, seed, twin_settings(condition, facts))
    for folder in folders:
        measure_stored(folder, built, condition)


def _crossovers(directory: RunDirectory, group: Group, prepared: Sequence[_Prepared]) -> Crossovers:
    """Return the run's crossovers; networks that are trained together take none."""
    if len(prepared) > 1:
        return {}
    network, kernel = prepared[0].replicate.network, group.condition.training.effective_kernel
    crossovers = recorded_crossovers(directory.path, network, kernel)
    say_other_crossovers(directory, group.name, prepared[0].number, crossovers)
    return crossovers


def _levels(
    group: Group, prepared: Sequence[_Prepared], watch: StepWatch, acceleration: Acceleration
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
    prepared: Sequence[_Prepared],
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


def _recorded_facts(directory: RunDirectory, condition: str, replicate: int) -> dict[str, Any]:
    try:
        return directory.task_facts(condition, replicate)
    except InputError:  # damaged: they are written again
        return {}


def _task_facts(built: Built, twin: DataSettings | None, num_measured: int) -> dict[str, Any]:
    task = built.task
    facts: dict[str, Any] = {"twin_clone": twin.clone if twin else None}
    if built.twin is not None:
        own = task.card
        facts["twin"] = {key: value for key, value in built.twin.card.items() if own.get(key) != value}
    return facts | {
        "name": task.name,
        "geometry": asdict(task.geometry),
        "num_classes": task.num_classes,
        "num_train": len(task.train_labels),
        "num_test": len(task.test_labels),
        "samples_measured": task.origin_of_samples("test", num_measured),
        "samples_for_criteria": task.origin_of_samples("train", NUM_SAMPLES),
        "card": dict(task.card),
    }
