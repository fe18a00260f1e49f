"""A replicate made ready to be trained: its data, its masks, and the last whole level it goes on from."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.printable import printable
from sparsight.prune import (
    NUM_SAMPLES,
    Level,
    Replicate,
)
from sparsight.recipe import DataSettings, masks_of
from sparsight.run._building import Built, build, tasks_of_call, twin_settings
from sparsight.run._mask_sources import (
    check_unchanged,
    mask_source,
    starting_state_of,
    stored_masks,
)
from sparsight.run._measuring import (
    check_fits,
    measure_stored,
    with_lost_instruments,
)
from sparsight.run._plan import Execution, Group
from sparsight.run._same_run import (
    compared_data,
)
from sparsight.store import (
    MASKS_FROM,
    ReplicateHealth,
    RunDirectory,
    StoredMasks,
    check_replicate,
    identity_of,
    read_checkpoint,
    read_level,
    set_aside_damaged,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A replicate that is ready to be trained from where it is."""

    number: int
    folder: Path
    twin: Task | None
    replicate: Replicate
    facts: dict[str, Any]  # of task.json
    trained_by: str | None = None  # the condition that trained level 0, if another one did


def prepare(directory: RunDirectory, group: Group, number: int, execution: Execution) -> Prepared | None:
    """Return a replicate ready to be trained; None if the one whose masks it takes has failed."""
    folder, pruning = directory.replicate(group.name, number), group.condition.pruning
    seed = directory.recipe.replicate_seed(number)
    recorded = _recorded_facts(directory, group.name, number)
    twin = twin_settings(group.condition, recorded)
    built = build(group.condition, seed, twin, tasks_of_call(execution.stop_request))
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
    return Prepared(number, folder, built.twin, replicate, facts)


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
