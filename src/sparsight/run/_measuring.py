"""Instruments applied to levels: to one just trained, or again to those that are stored."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from sparsight.data import Task
from sparsight.instruments import Quantity, measure_level
from sparsight.prune import Level
from sparsight.recipe import Condition
from sparsight.run._preflight import build_network, build_tasks, load_plugins
from sparsight.run._step_watch import OnLevel
from sparsight.store import RunDirectory, read_level, read_measures, write_record


def measure_again(
    directory: RunDirectory,
    instruments: Sequence[str] | None = None,
    *,
    plugins: Sequence[Path] = (),
    on_level: OnLevel | None = None,
) -> None:
    """Apply instruments to the stored levels of a run, and store what they find.

    Parameters
    ----------
    directory : RunDirectory
    instruments : sequence of str, optional
        Default: the recipe's. What other instruments found before is kept.
    plugins, on_level
        As in `run`.

    Raises
    ------
    InputError
        If a level is damaged, or another process is writing.
    """
    load_plugins(plugins)
    with directory.writing():
        for name, replicate in directory.replicates():
            condition = directory.recipe.condition(name)
            if instruments is not None:
                condition = Condition.model_validate(
                    condition.model_dump()
                    | {"measure": condition.measure.model_dump() | {"instruments": tuple(instruments)}}
                )
            num_levels = directory.num_levels(name, replicate)
            if not num_levels:
                continue
            seed = directory.recipe.replicate_seed(replicate)
            task, twin = build_tasks(condition, seed)
            network = build_network(condition, task, seed)
            for index in range(num_levels):
                folder = directory.level(name, replicate, index)
                measure_stored(folder, network, task, twin, condition, before=read_measures(folder))
                if on_level is not None:
                    on_level(directory, name, replicate, index)


def measure_stored(
    folder: Path,
    network: nn.Module,
    task: Task,
    twin: Task | None,
    condition: Condition,
    before: dict[str, dict[str, Quantity]],
) -> None:
    """Measure one stored level again, and store what is found beside what was found `before`.

    `network` is overwritten with the level's weights. The level's measures may be missing or damaged.
    """
    stored = read_level(folder)
    network.load_state_dict(stored.final)
    found = measure(stored.as_level(network, rewind=None), task, twin, condition)
    measures = {layer: before.get(layer, {}) | quantities for layer, quantities in found.items()}
    write_record(folder, stored.page, stored.masks, measures)


def measure(
    level: Level, task: Task, twin: Task | None, condition: Condition
) -> dict[str, dict[str, Quantity]]:
    """Apply a condition's instruments to a level, as `measure_level`."""
    return measure_level(
        level, task, twin, condition.measure.instruments, num_samples=condition.measure.num_samples
    )
