"""From a recipe to what it runs on: plugins, data and networks, and whether this machine can run it."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import FullyConnected, initialise_
from sparsight.prune import check_settings, dense_masks
from sparsight.recipe import Condition, DataSettings, Recipe
from sparsight.run._resources import Size


def devices_of(recipe: Recipe) -> list[str]:
    """Return the device of each condition."""
    return [recipe.condition(name).device for name in recipe.condition_names()]


def check_recipe(recipe: Recipe) -> Size:
    """Refuse a recipe that cannot be run on this machine, before anything is written.

    Returns
    -------
    Size
        The largest among the conditions.

    Raises
    ------
    InputError
        If data are missing, settings do not fit the data, the device is absent, or memory is short.
    """
    return check_recipes([recipe])[0]


def check_recipes(recipes: Sequence[Recipe], *, runs_here: bool = True) -> list[Size]:
    """Do what `check_recipe` does for several recipes, making data that they share once.

    Parameters
    ----------
    recipes : sequence of Recipe
    runs_here : bool
        Whether they run on this machine: then it needs their devices.

    Returns
    -------
    list of Size
        The largest among the conditions of each recipe.

    Raises
    ------
    InputError
        As `check_recipe`.
    """
    uses: dict[str, list[tuple[int, Condition]]] = {}
    for number, recipe in enumerate(recipes):
        for name in recipe.condition_names():
            condition = recipe.condition(name)
            if runs_here:
                _check_device(condition.device, condition.training.precision)
            uses.setdefault(_original(condition).model_dump_json(), []).append((number, condition))
    largest = [Size(0, 0)] * len(recipes)
    for conditions in uses.values():
        first, condition = conditions[0]
        task = _original(condition).build(recipes[first].replicate_seed(0))
        for number, condition in conditions:
            largest[number] = largest[number].union(_size(condition, task))
    return largest


def _original(condition: Condition) -> DataSettings:
    return condition.data.model_copy(update={"clone": "none"})


def _size(condition: Condition, task: Task) -> Size:
    with torch.device("meta"):  # shapes are enough
        network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    check_settings(dense_masks(network, condition.pruning), task, condition.training, condition.pruning)
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    is_clone = condition.data.clone != "none"
    has_twin = bool(condition.measure.instruments) and not is_clone
    num_units = task.geometry.num_inputs + sum(condition.network.widths) + task.num_classes
    num_activations = condition.training.batch_size * num_units
    return Size.of(num_weights, task, int(is_clone) + int(has_twin), num_activations)


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


def _check_device(device: str, precision: str) -> None:
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError("training.precision is 'tf32', which is for device = 'cuda'; choose 'float32'")
    if device.startswith("cuda"):
        present = torch.cuda.device_count()
        if int(device.partition(":")[2] or 0) >= present:
            raise InputError(
                f"device is {device!r}, but {present} CUDA devices are here; choose 'cpu' or another"
            )
