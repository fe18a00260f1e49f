"""Run a recipe: imp → instruments → store, one process for each replicate of each condition."""

import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, delayed
from torch import nn

from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.measure.instrument import Quantity
from sparsight.network import FullyConnected, initialise_, linear_layers
from sparsight.prune.connectivity import connectivity
from sparsight.prune.imp import Level, check_settings, dense_masks, imp
from sparsight.run.checkpoint_file import CHECKPOINT, read_checkpoint
from sparsight.run.level_files import read_measures, write_level, write_page
from sparsight.run.observe import measure_level
from sparsight.run.recipe import Condition, Recipe
from sparsight.run.stopping import ignore_terminal, is_stop_requested, stopping_on_signals
from sparsight.run.store import RunDirectory, default_path
from sparsight.run.watching import OnLevel, StepWatch, Stop, announcing
from sparsight.train import DivergenceError

_WEIGHTS_WORTH_THREADS = 100_000
"""Below, a step is so short that a second thread costs more than it gives."""


def run(
    recipe: Recipe,
    out: Path | None = None,
    *,
    jobs: int | None = None,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    on_level: OnLevel | None = None,
) -> RunDirectory:
    """Run every replicate of every condition, and go on where an earlier run stopped.

    Parameters
    ----------
    recipe : Recipe
    out : Path, optional
        The run directory. Default ``runs/<recipe>-<hash>``.
    jobs : int, optional
        Processes side by side; the machine's cores are shared out among them (small networks get one
        thread each). Default: as many as there are cores, one replicate of one condition each; 1 on a GPU.
    plugins : sequence of Path
        Python files that register criteria, instruments or data sources.
    checkpoint_seconds : float
        How often, at least, the middle of a level is saved.
    on_level : callable, optional

    Returns
    -------
    RunDirectory
        Replicates whose training diverged are in its `failures`.

    Raises
    ------
    InputError
        Before anything is written, if the recipe cannot be run here; or if another process is writing.
    Interrupted
        If SIGINT, SIGTERM or SIGUSR1 came: every replicate has stopped after its next step and saved where
        it was, and the same call goes on from there.
    """
    num_weights = check_recipe(recipe)
    directory = RunDirectory.create(recipe, out or default_path(recipe))
    units = directory.units()
    jobs = jobs or _default_jobs(recipe, len(units))
    threads = max((os.cpu_count() or 1) // jobs, 1) if num_weights >= _WEIGHTS_WORTH_THREADS else 1
    with directory.writing(), announcing(directory, on_level), stopping_on_signals(directory.path):
        Parallel(n_jobs=jobs)(
            delayed(run_replicate)(
                directory.path,
                condition,
                replicate,
                threads=threads,
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
    """
    if owner not in (None, os.getpid()):
        ignore_terminal()
    if is_stop_requested(path):
        return
    load_plugins(plugins)
    torch.set_num_threads(threads)
    directory = RunDirectory.open(path)
    folder = directory.replicate(condition_name, replicate)
    condition = directory.recipe.condition(condition_name)
    seed = directory.recipe.replicate_seed(replicate)
    task, twin = build_tasks(condition, seed)
    directory.begin(condition_name, replicate, _task_facts(task))
    network = build_network(condition, task, seed)
    start = _last_level(directory, condition_name, replicate, network)
    began = time.perf_counter()
    levels = imp(
        network,
        task,
        condition.training,
        condition.pruning,
        seed=seed,
        start=start,
        checkpoint=read_checkpoint(folder),
        on_step=StepWatch(folder, directory.path, owner, checkpoint_seconds),
    )
    try:
        for level in levels:
            trained = time.perf_counter()
            measures = _measure(level, task, twin, condition)
            facts = _facts(level, trained - began, time.perf_counter() - trained, threads)
            write_level(directory.level(condition_name, replicate, level.index), level, measures, facts)
            (folder / CHECKPOINT).unlink(missing_ok=True)
            began = time.perf_counter()
    except DivergenceError as error:
        directory.note_failure(condition_name, replicate, str(error))
    except Stop:
        return


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
    """
    load_plugins(plugins)
    with directory.writing():
        for condition_name, replicate in directory.units():
            condition = directory.recipe.condition(condition_name)
            if instruments is not None:
                condition = Condition.model_validate(
                    condition.model_dump()
                    | {"measure": condition.measure.model_dump() | {"instruments": tuple(instruments)}}
                )
            num_levels = directory.num_levels(condition_name, replicate)
            if num_levels:
                _measure_replicate(directory, condition_name, replicate, condition, on_level)


def check_recipe(recipe: Recipe) -> int:
    """Refuse a recipe that cannot be run on this machine, before anything is written.

    Returns
    -------
    int
        Parameters of the largest network among the conditions.

    Raises
    ------
    InputError
        If data are missing, settings do not fit the data, the device is absent, or memory is short.
    """
    sources: dict[str, Task] = {}
    largest = 0
    for name in recipe.condition_names():
        condition = recipe.condition(name)
        _check_device(condition.device)
        original = condition.data.model_copy(update={"clone": "none"})
        key = original.model_dump_json()
        if key not in sources:
            sources[key] = original.build(recipe.replicate_seed(0))
        task = sources[key]
        with torch.device("meta"):  # shapes are enough
            network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
        check_settings(dense_masks(network, condition.pruning), task, condition.training, condition.pruning)
        largest = max(largest, sum(parameter.numel() for parameter in network.parameters()))
    return largest


def build_tasks(condition: Condition, seed: int) -> tuple[Task, Task | None]:
    """Return a condition's task and, unless it is a clone itself, its Gaussian twin."""
    twin = condition.data.twin() if condition.measure.instruments else None
    return condition.data.build(seed), twin.build(seed) if twin else None


def build_network(condition: Condition, task: Task, seed: int) -> nn.Module:
    """Return a condition's network, initialised, on its device."""
    network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    initialise_(network, condition.network.init, seed, condition.network.init_std)
    return network.to(condition.device)


def load_plugins(paths: Sequence[Path]) -> None:
    """Execute Python files that register criteria, instruments or data sources.

    Raises
    ------
    InputError
        If a file is not there or does not run.
    """
    for path in paths:
        name = f"sparsight_plugin_{path.stem}"
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"plugin {path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"plugin {path} failed: {type(error).__name__}: {error}") from error


def _measure_replicate(
    directory: RunDirectory, name: str, replicate: int, condition: Condition, on_level: OnLevel | None
) -> None:
    seed = directory.recipe.replicate_seed(replicate)
    task, twin = build_tasks(condition, seed)
    network = build_network(condition, task, seed)
    rewind = directory.read(name, replicate, 0).rewind
    for index in range(directory.num_levels(name, replicate)):
        folder = directory.level(name, replicate, index)
        stored = directory.read(name, replicate, index)
        network.load_state_dict(stored.final)
        level = stored.as_level(network, rewind)
        found = _measure(level, task, twin, condition)
        before = read_measures(folder)
        measures = {layer: before.get(layer, {}) | quantities for layer, quantities in found.items()}
        write_page(folder, stored.page, stored.masks, measures)
        if on_level is not None:
            on_level(directory, name, replicate, index)


def _measure(
    level: Level, task: Task, twin: Task | None, condition: Condition
) -> dict[str, dict[str, Quantity]]:
    return measure_level(
        level.network,
        level.masks,
        level.next_masks,
        task,
        twin,
        condition.measure.instruments,
        level=level.index,
        seed=level.seed,
        num_samples=condition.measure.num_samples,
    )


def _last_level(directory: RunDirectory, condition: str, replicate: int, network: nn.Module) -> Level | None:
    index = directory.last_good_level(condition, replicate)
    if index is None:
        return None
    rewind = directory.read(condition, replicate, 0).rewind
    return directory.read(condition, replicate, index).as_level(network, rewind)


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


def _check_device(device: str) -> None:
    if device.startswith("cuda"):
        present = torch.cuda.device_count()
        if int(device.partition(":")[2] or 0) >= present:
            raise InputError(
                f"device is {device!r}, but {present} CUDA devices are here; choose 'cpu' or another"
            )


def _default_jobs(recipe: Recipe, num_units: int) -> int:
    if any(recipe.condition(name).device != "cpu" for name in recipe.condition_names()):
        return 1
    return max(min(num_units, os.cpu_count() or 1), 1)
