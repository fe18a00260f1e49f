"""Instruments applied to levels: to one that was just trained, or again to those that are stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sparsight.data import Task
from sparsight.instruments import Quantity, measure_level
from sparsight.prune import Level, State
from sparsight.recipe import Condition, merged, validated
from sparsight.run._building import Built, build, twin_settings
from sparsight.run._plugins import load_plugins
from sparsight.run._step_watch import OnLevel
from sparsight.store import (
    RunDirectory,
    StoredLevel,
    level_name,
    read_level,
    read_measures,
    write_record,
)


def measure_again(
    directory: RunDirectory,
    instruments: Sequence[str] | None = None,
    *,
    plugins: Sequence[Path] = (),
    on_level: OnLevel | None = None,
) -> None:
    """Apply instruments to the stored levels of a run, and store what they measure.

    Parameters
    ----------
    instruments : sequence of str, optional
        Names of registered instruments. Default: the recipe's. What other instruments measured before stays.
    plugins, on_level
        As for `run_recipe`.

    Raises
    ------
    InputError
        If a level is damaged.
    BusyError
        If another process is writing to the run.
    """
    load_plugins(plugins)
    recipe = directory.recipe
    conditions = {name: _with(recipe.condition(name), instruments) for name in recipe.condition_names()}
    with directory.writing():
        for name, replicate in directory.replicates():
            num_levels = directory.num_levels(name, replicate)
            if not num_levels:
                continue
            twin = twin_settings(conditions[name], directory.task_facts(name, replicate))
            built = build(conditions[name], recipe.replicate_seed(replicate), twin)
            for index in range(num_levels):
                folder = directory.level(name, replicate, index)
                measure_stored(folder, built, conditions[name], before=read_measures(folder))
                if on_level is not None:
                    on_level(directory, name, replicate, index)


def measure_stored(
    folder: Path, built: Built, condition: Condition, before: dict[str, dict[str, Quantity]]
) -> None:
    """Measure one stored level; what was measured `before`, by layer and name, stays unless measured now.

    The level's own measures may be missing or damaged. The network is overwritten with the level's weights.
    """
    stored = read_level(folder)
    built.network.load_state_dict(stored.final)
    level = stored.as_level(built.network, rewind=None)  # to measure, nobody needs what training rewinds to
    level = replace(level, initial=stored.initial or _state_before(folder, stored, condition))
    measured = measure(level, built.task, built.twin, condition)
    measures = {layer: before.get(layer, {}) | quantities for layer, quantities in measured.items()}
    write_record(folder, stored.record, stored.masks, measures)


def _state_before(folder: Path, stored: StoredLevel, condition: Condition) -> State:
    """Return the state before the training of a level other than 0, which is not stored with it.

    Raises `InputError` if the level that holds it is damaged.
    """
    keeps_trained = condition.pruning.rewind_step is None
    source = read_level(folder.with_name(level_name(stored.index - 1 if keeps_trained else 0)))
    before = source.final if keeps_trained else source.rewind or {}
    return {
        name: value.masked_fill(~stored.masks[name], 0.0) if name in stored.masks else value
        for name, value in before.items()
    }


def measure(
    level: Level, task: Task, twin: Task | None, condition: Condition
) -> dict[str, dict[str, Quantity]]:
    """Apply a condition's instruments to a level; see `sparsight.instruments.measure_level`."""
    return measure_level(
        level,
        task,
        twin,
        condition.measure.instruments,
        num_samples=condition.measure.num_samples,
        loss=condition.training.loss,
    )


def _with(condition: Condition, instruments: Sequence[str] | None) -> Condition:
    if instruments is None:
        return condition
    values = merged(condition.model_dump(), {"measure": {"instruments": tuple(instruments)}})
    return validated(Condition, values, "instruments")  # unlike `model_copy`, refuses an unknown one by name
