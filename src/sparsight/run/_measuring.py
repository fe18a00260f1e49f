"""Instruments applied to levels: to one that was just trained, or again to those that are stored."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.instruments import (
    NETWORK,
    NETWORK_INSTRUMENTS,
    NetworkObservation,
    Quantity,
    all_instruments,
    at_steps,
    measure_level,
    measure_whole_network,
)
from sparsight.prune import Level, State
from sparsight.recipe import Condition, merged, validated
from sparsight.run._building import Built, build, build_network, twin_settings
from sparsight.run._mask_sources import starting_state_of
from sparsight.run._plugin_exits import refusing_exit
from sparsight.run._plugins import load_plugins
from sparsight.run._same_run import compared_data, data_digest, note_measuring_code, refuse_missing_code
from sparsight.run._step_watch import OnLevel
from sparsight.settings import STORED
from sparsight.store import (
    LevelRecord,
    RunDirectory,
    StoredLevel,
    level_name,
    made_with,
    own_instruments,
    read_level,
    read_measures,
    read_record,
    read_snapshots,
    write_record,
)
from sparsight.train import evaluate

_log = logging.getLogger(__name__)

Measured = dict[str, dict[str, Quantity]]
"""Layer name → quantity name → quantity."""

OverTraining = dict[str, dict[str, dict[str, float | None]]]
"""Steps taken → layer name → quantity name → number, None for NaN."""


def measure_again(
    directory: RunDirectory,
    instruments: Sequence[str] | None = None,
    *,
    plugins: Sequence[str | Path] = (),
    on_level: OnLevel | None = None,
    accept_changes: bool = False,
) -> None:
    """Apply instruments to the stored levels of a run, and store what they measure.

    Parameters
    ----------
    instruments : sequence of str, optional
        Names of registered instruments. Default: the recipe's. What other instruments measured before stays.
    plugins, on_level
        As for `run_recipe`.
    accept_changes : bool
        Measure although the data are others than those that the replicates were trained on.

    Raises
    ------
    InputError
        If a level is damaged, an own instrument or data source is not registered, or a replicate was begun
        with other settings or other data. What was measured before that replicate is stored.
    BusyError
        If another process is writing to the run.
    """
    load_plugins(plugins)
    recipe = directory.recipe
    conditions = {name: _with(recipe.condition(name), instruments) for name in recipe.condition_names()}
    refuse_missing_code(directory, conditions.values(), to_measure=True)
    directory.refuse_other_settings()
    with directory.writing(), refusing_exit():
        for name, replicate in directory.replicates():
            num_levels = directory.num_levels(name, replicate)
            if not num_levels:
                continue
            folders = [directory.level(name, replicate, index) for index in range(num_levels)]
            condition = with_lost_instruments(conditions[name], folders)
            facts = directory.task_facts(name, replicate)
            built = build(condition, recipe.replicate_seed(replicate), twin_settings(condition, facts))
            data = compared_data(directory, name, replicate, built.task, facts, accept_changes=accept_changes)
            for index, folder in enumerate(folders):
                measure_stored(folder, built, condition, data=data_digest(data))
                if on_level is not None:
                    on_level(directory, name, replicate, index)
        note_measuring_code(directory, conditions.values())


def measure_stored(folder: Path, built: Built, condition: Condition, *, data: str | None = None) -> None:
    """Measure one stored level; what other instruments measured before stays, unless it is damaged.

    `data` is the SHA-256 of the data, which is recorded if the level was trained on others. The network is
    overwritten with the level's weights.
    """
    stored = read_level(folder)
    before = _measured_before(folder)
    check_fits(folder, stored, built.network)
    built.network.load_state_dict(stored.final)
    level = stored.as_level(built.network, rewind=_rewind_of(folder, stored, condition))
    level = replace(level, initial=stored.initial or _state_before(folder, level, condition, built))
    measured = measure(level, built.task, built.twin, condition)
    level = replace(level, snapshots=read_snapshots(folder))
    over_training = measure_snapshots(level, built.task, built.twin, condition)
    layers = dict.fromkeys((*before, *measured))
    measures = {layer: before.get(layer, {}) | measured.get(layer, {}) for layer in layers}
    record = _measured_now(stored.record, condition, data, over_training)
    write_record(folder, record, stored.masks, measures)


def _measured_now(
    record: LevelRecord, condition: Condition, data: str | None, over_training: OverTraining
) -> LevelRecord:
    """Return the record with what was measured during training.

    It also says what it was measured with, where that differs from what the level was trained with.
    """
    update: dict[str, Any] = {}
    if over_training:
        update["snapshots"] = {
            step: {
                layer: record.snapshots.get(step, {}).get(layer, {}) | numbers
                for layer, numbers in layers.items()
            }
            for step, layers in over_training.items()
        }
    own = own_instruments(condition.measure.instruments)
    if own:
        update["own_code"] = record.own_code | own
    if record.made_with and (
        record.made_with != made_with() or "measured_with" in (record.model_extra or {})
    ):
        update["measured_with"] = made_with()
    if record.data is not None and data is not None and record.data != data:
        update["measured_data"] = data
    return record.model_copy(update=update)


def check_fits(folder: Path, stored: StoredLevel, network: nn.Module) -> None:
    """Refuse a stored level that is of another network, as one that somebody edited and sealed can be.

    Raises
    ------
    InputError
        With the names that differ, in names or shapes.
    """
    # A number is stored as an array of one element.
    expected = {name: tuple(value.shape) or (1,) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) or (1,) for name, value in stored.final.items()}
    found_masks = {name: tuple(mask.shape) for name, mask in stored.masks.items()}
    differing = [name for name in expected | found if expected.get(name) != found.get(name)]
    differing += [name for name, shape in found_masks.items() if expected.get(name) != shape]
    if differing:
        raise InputError(
            f"{folder} is of another network than its recipe makes: {', '.join(dict.fromkeys(differing))} "
            "differ in name or shape; put the original files back"
        )


def with_lost_instruments(condition: Condition, folders: Sequence[Path]) -> Condition:
    """Add to a condition the instruments that its recipe lacks, and whose measures are damaged in a level.

    The records of the levels, in `folders`, still name them. One whose plug-in is not loaded cannot measure
    again, and a warning says so.
    """
    own = condition.measure.instruments
    lost = dict.fromkeys(
        name.partition(".")[0]
        for folder in folders
        if not _measured_before(folder)
        for quantities in read_record(folder).measures.values()
        for name in quantities
    )
    others = [name for name in lost if name not in own]
    both = all_instruments()
    for name in others:
        if name not in both:
            _log.warning(
                "what %s had measured is damaged in %s: measure again with its plug-in",
                name,
                folders[0].parent,
            )
    known = [name for name in others if name in both]
    return _with(condition, [*own, *known]) if known else condition


def _measured_before(folder: Path) -> Measured:
    try:
        return read_measures(folder)
    except InputError as error:
        _log.warning("%s", error)
        return {}


def _rewind_of(folder: Path, stored: StoredLevel, condition: Condition) -> State | None:
    """Return the state that surviving weights go back to, which only level 0 stores.

    Raises `InputError` if level 0 is damaged.
    """
    if stored.index == 0 or condition.pruning.rewind_step is None:
        return stored.rewind
    return read_level(folder.with_name(level_name(0))).rewind


def _state_before(folder: Path, level: Level, condition: Condition, built: Built) -> State:
    """Return the state before the training of a level other than 0, which is not stored with it.

    Raises `InputError` if the level that holds it is damaged.
    """
    if condition.pruning.weights != "rewound":
        begun = replace(built, network=build_network(condition, built.task, level.seed))
        before = starting_state_of(condition, begun, level.seed) or {}
    elif condition.pruning.rewind_step is None:
        before = read_level(folder.with_name(level_name(level.index - 1))).final
    else:
        before = level.rewind or {}
    masks = level.initial_masks or level.masks
    return {
        name: value.masked_fill(~masks[name], 0.0) if name in masks else value
        for name, value in before.items()
    }


def _dense_initial(level: Level, task: Task, condition: Condition) -> State | None:
    """Return the state that a level would have begun with if it had no masks; None if it is not known."""
    if all(bool(mask.all()) for mask in level.masks.values()):
        return level.initial
    if condition.pruning.rewind_step == 0:
        begun = build_network(condition, task, level.seed)
        fresh = starting_state_of(condition, Built(begun, task, None), level.seed)
        return fresh or {name: value.cpu() for name, value in begun.state_dict().items()}
    if level.rewind is None:
        return None
    # Masks of another origin apply from level 0 on, so that no state of such a run is dense.
    is_dense = all(
        bool(level.rewind[name][~mask].any()) for name, mask in level.masks.items() if not mask.all()
    )
    return level.rewind if is_dense else None


def measure(level: Level, task: Task, twin: Task | None, condition: Condition) -> Measured:
    """Apply a condition's instruments to the layers of a level, and to the whole network if it has any."""
    instruments, num_samples = condition.measure.instruments, condition.measure.num_samples
    sees_network = not NETWORK_INSTRUMENTS.keys().isdisjoint(instruments)
    measured = measure_level(level, task, twin, instruments, num_samples=num_samples)
    observation = NetworkObservation(
        level=level,
        task=task,
        num_samples=num_samples,
        loss=condition.training.loss,
        twin=twin,
        dense_initial=_dense_initial(level, task, condition) if sees_network else None,
        training=condition.training,
        pruning=condition.pruning,
    )
    whole = measure_whole_network(observation, instruments)
    return measured | ({NETWORK: whole} if whole else {})


def measure_snapshots(level: Level, task: Task, twin: Task | None, condition: Condition) -> OverTraining:
    """Measure a level's snapshots as the level itself: numbers alone, with test loss and accuracy.

    Kept and pruned weights are those that the level's pruning keeps and removes, at every step. The network
    has the level's final state again afterwards.
    """
    found: OverTraining = {}
    if not level.snapshots:
        return found
    of_weights = _with(condition, at_steps(condition.measure.instruments))
    for step, state in level.snapshots.items():
        level.network.load_state_dict(state)
        loss, accuracy = evaluate(level.network, task, condition.training.loss)
        measured = measure(replace(level, final=state, snapshots={}), task, twin, of_weights)
        numbers = {layer: _numbers(quantities) for layer, quantities in measured.items()}
        of_network = {"test_accuracy": accuracy, "test_loss": loss if math.isfinite(loss) else None}
        found[str(step)] = numbers | {NETWORK: of_network | numbers.get(NETWORK, {})}
    level.network.load_state_dict(level.final)
    return found


def _numbers(quantities: Mapping[str, Quantity]) -> dict[str, float | None]:
    numbers = {name: float(each.value) for name, each in quantities.items() if not each.dims}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _with(condition: Condition, instruments: Sequence[str] | None) -> Condition:
    if instruments is None:
        return condition
    for name in instruments:
        all_instruments().look_up(name)
    values = merged(condition.model_dump(), {"measure": {"instruments": tuple(instruments)}})
    return validated(Condition, values, "instruments", context=STORED)  # nobody needs the criterion
