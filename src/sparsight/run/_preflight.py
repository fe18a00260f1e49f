"""Whether this machine can run a recipe's conditions, found out before anything is written."""

from collections.abc import Iterable

import torch

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.instruments import needs_twin
from sparsight.network import FullyConnected
from sparsight.prune import (
    WINDOWS,
    CompactWindows,
    check_at_steps,
    check_keeps_classes,
    check_settings,
    check_shapes,
    dense_masks,
    layer_of,
)
from sparsight.recipe import Condition, DataSettings, Recipe, TasksOfOneData, check_nested_source, masks_of
from sparsight.run._mask_sources import stored_masks
from sparsight.run._plugin_exits import refusing_exit
from sparsight.run._resources import Size
from sparsight.store import RunDirectory


def check_conditions(conditions: Iterable[tuple[Condition, int]], *, runs_here: bool = True) -> Size:
    """Refuse conditions that cannot be run on this machine.

    Parameters
    ----------
    conditions : iterable of (Condition, int)
        Each with the seed of one of its replicates.
    runs_here : bool
        Whether they will run on this machine, which then needs their devices. A login node has no GPU.

    Returns
    -------
    Size
        Size of the largest replicate among them.

    Raises
    ------
    InputError
        If data are missing, settings do not fit the data, or a device is absent.
    """
    # Only the data can tell whether settings fit, and making data is slow. Conditions, and the cases of a
    # sweep, mostly share theirs: make each data set once.
    users: dict[str, list[tuple[Condition, int]]] = {}
    for condition, seed in conditions:
        if runs_here:
            _check_device(condition.device, condition.training.precision)
        users.setdefault(_original(condition).model_dump_json(), []).append((condition, seed))
    largest, tasks = Size(0, 0), TasksOfOneData()
    for group in users.values():
        first, seed = group[0]
        with refusing_exit():
            task = tasks.build(_original(first), seed)
        for condition, _ in group:
            largest = largest.union(_size(condition, task))
    return largest


def _original(condition: Condition) -> DataSettings:
    return condition.data.model_copy(update={"clone": "none"})


def _size(condition: Condition, task: Task) -> Size:
    with torch.device("meta"):  # shapes are enough; the weights of a mistyped width would fill the memory
        network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    masks, pruning = dense_masks(network, condition.pruning), condition.pruning
    check_settings(masks, task, condition.training, pruning, has_masks=pruning.masks_from is not None)
    if pruning.granularity == "unit":
        check_keeps_classes(network, task, list(map(layer_of, masks)))
    at_steps = condition.measure.at_steps
    check_at_steps(at_steps, masks, task=task, training=condition.training, pruning=pruning)
    _check_masks(condition, task, {name: tuple(mask.shape) for name, mask in masks.items()})
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    is_clone = condition.data.clone != "none"
    has_twin = needs_twin(condition.measure.instruments) and not is_clone
    num_units = task.geometry.num_inputs + sum(condition.network.widths) + task.num_classes
    num_activations = condition.training.batch_size * num_units
    num_clones = int(is_clone) + int(has_twin)
    return Size.of(num_weights, task, num_clones, num_activations, num_snapshots=len(at_steps))


def check_mask_sources(recipe: Recipe) -> None:
    """Refuse conditions that take masks which are not there, or that do not fit their data.

    Raises
    ------
    InputError
        If another run is missing, or one of the replicates wanted from it is missing or not finished; if its
        masks are not nested; or if two conditions of the recipe, of which one takes the other's masks, have
        inputs of different sizes.
    """
    for name in recipe.condition_names():
        condition = recipe.condition(name)
        chain, source = recipe.chain_of_sources(name), masks_of(condition.pruning)
        if len(chain) > 1:
            _check_same_inputs(recipe, name, chain[1])
        elif source is not None and source.run is not None:
            of = RunDirectory.open(source.run)
            pruning = of.recipe.condition(source.condition).pruning
            check_nested_source(name, str(condition.pruning.masks_from), pruning)
            for number in range(recipe.replicates):
                stored = stored_masks(of, condition.pruning, number)
                if stored is not None:
                    stored.check_finished()


def _check_same_inputs(recipe: Recipe, name: str, source: str) -> None:
    data = {each: _original(recipe.condition(each)) for each in (name, source)}
    if data[name] == data[source]:
        return  # making data is slow
    tasks = [settings.build(recipe.replicate_seed(0)) for settings in data.values()]
    num_inputs, num_classes = ([read(task) for task in tasks] for read in (_num_inputs, _num_classes))
    prunes_output = recipe.condition(name).pruning.prune_output or not recipe.condition(name).network.widths
    if num_inputs[0] != num_inputs[1] or (prunes_output and num_classes[0] != num_classes[1]):
        raise InputError(
            f"conditions.{name}: its data have {num_inputs[0]} inputs and {num_classes[0]} classes, those of "
            f"{source!r}, whose masks it takes, {num_inputs[1]} and {num_classes[1]}: masks fit one "
            "architecture only"
        )


def _num_inputs(task: Task) -> int:
    return task.geometry.num_inputs


def _num_classes(task: Task) -> int:
    return task.num_classes


def _check_masks(condition: Condition, task: Task, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse windows that cannot be planted, and masks of another run that do not fit the network."""
    pruning = condition.pruning
    if pruning.masks_from == WINDOWS:
        CompactWindows(shapes=shapes, geometry=task.geometry, pruning=pruning, seed=0)
    source = masks_of(pruning)
    if source is not None and source.run is not None:
        stored = stored_masks(RunDirectory.open(source.run), pruning, 0)
        if stored is not None:
            stored.check_finished()
            check_shapes(stored.masks(0), shapes, f"masks of {stored}")


def _check_device(device: str, precision: str) -> None:
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError("training.precision is 'tf32', which needs device = 'cuda'; choose 'float32'")
    if device.startswith("cuda"):
        present = torch.cuda.device_count()
        if int(device.partition(":")[2] or 0) >= present:
            raise InputError(
                f"device is {device!r}, but this machine has {present} CUDA devices; choose 'cpu' or another"
            )
