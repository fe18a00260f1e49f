"""Data and networks of a replicate, built from its condition and its seed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sparsight.data import Task
from sparsight.instruments import needs_twin
from sparsight.network import FullyConnected, initialise_
from sparsight.recipe import Condition, DataSettings, TasksOfOneData

_tasks_of_call: dict[Path, TasksOfOneData] = {}
"""By the stop request of a call, of which every one has its own: what this process has made in the call."""


@dataclass(frozen=True, eq=False)
class Built:
    """One replicate in memory: its network at initialisation, on the condition's device, and its data.

    `twin` is the Gaussian twin of the task; None if the task is itself a clone, or nothing is measured.
    """

    network: nn.Module
    task: Task
    twin: Task | None


def tasks_of_call(stop_request: Path) -> TasksOfOneData:
    """Return what makes the tasks of one call in this process, where replicates share their data."""
    if stop_request not in _tasks_of_call:
        _tasks_of_call.clear()
        _tasks_of_call[stop_request] = TasksOfOneData()
    return _tasks_of_call[stop_request]


@contextmanager
def dropping_tasks(stop_request: str | Path) -> Iterator[None]:
    """Drop the tasks of a call at its end; those of a worker end with it."""
    try:
        yield
    finally:
        _tasks_of_call.pop(Path(stop_request), None)


def build(
    condition: Condition,
    seed: int,
    twin: DataSettings | None = None,
    tasks: TasksOfOneData | None = None,
) -> Built:
    """Return the data, which `tasks` makes, and the initialised network of the replicate with this seed."""
    tasks = tasks or TasksOfOneData()
    task = tasks.build(condition.data, seed)
    # The twin costs as much memory as the data, and fitting it as much time as a level: only if it is used.
    twin = twin if needs_twin(condition.measure.instruments) else None
    return Built(build_network(condition, task, seed), task, tasks.build(twin, seed) if twin else None)


def twin_settings(condition: Condition, facts: Mapping[str, Any]) -> DataSettings | None:
    """Return the settings of the twin that a replicate is measured on, given what was recorded of its task.

    A replicate that has begun keeps its twin. Version 0.1 recorded none, and fitted "gaussian".
    """
    return condition.data.twin(facts.get("twin_clone", "gaussian") if facts else None)


def build_network(condition: Condition, task: Task, seed: int) -> nn.Module:
    """Return a condition's network, initialised, on its device."""
    network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    initialise_(network, condition.network.init, seed, condition.network.init_std)
    return network.to(condition.device)
