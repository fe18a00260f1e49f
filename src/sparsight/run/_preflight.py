"""Whether this machine can run a recipe's conditions, found out before anything is written."""

from collections.abc import Iterable

import torch

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import FullyConnected
from sparsight.prune import check_settings, dense_masks
from sparsight.recipe import Condition, DataSettings
from sparsight.run._resources import Size


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
    largest = Size(0, 0)
    for group in users.values():
        first, seed = group[0]
        task = _original(first).build(seed)
        for condition, _ in group:
            largest = largest.union(_size(condition, task))
    return largest


def _original(condition: Condition) -> DataSettings:
    return condition.data.model_copy(update={"clone": "none"})


def _size(condition: Condition, task: Task) -> Size:
    with torch.device("meta"):  # shapes are enough; the weights of a mistyped width would fill the memory
        network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    check_settings(dense_masks(network, condition.pruning), task, condition.training, condition.pruning)
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    is_clone = condition.data.clone != "none"
    has_twin = bool(condition.measure.instruments) and not is_clone
    num_units = task.geometry.num_inputs + sum(condition.network.widths) + task.num_classes
    num_activations = condition.training.batch_size * num_units
    return Size.of(num_weights, task, int(is_clone) + int(has_twin), num_activations)


def _check_device(device: str, precision: str) -> None:
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError("training.precision is 'tf32', which needs device = 'cuda'; choose 'float32'")
    if device.startswith("cuda"):
        present = torch.cuda.device_count()
        if int(device.partition(":")[2] or 0) >= present:
            raise InputError(
                f"device is {device!r}, but this machine has {present} CUDA devices; choose 'cpu' or another"
            )
