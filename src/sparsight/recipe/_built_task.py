"""The task that a ``[data]`` table describes."""

import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

import numpy as np

from sparsight.arguments import described
from sparsight.data import (
    SOURCES,
    Task,
    clone_task,
    with_label_noise,
    with_merged_classes,
    with_own_arrays,
    with_teacher_labels,
)
from sparsight.errors import InputError

if TYPE_CHECKING:
    from sparsight.recipe._data_settings import DataSettings


_OWN, _TEACHER = "none", "teacher"
"""Under which names data with their own labels, and with those of a teacher, are kept."""


class TasksOfOneData:
    """Makes tasks one after the other. While their data are the same, these and one clone are made once.

    The conditions of a replicate mostly share their data and their Gaussian twin, and differ in labels at
    most. What is kept is what a replicate with a twin holds anyway; it is dropped before other data are made.
    Data of a user's own source are made anew each time: nobody knows what else they depend on.
    """

    def __init__(self) -> None:
        self._data = ""
        self._kept: dict[str, Task] = {}

    def build(self, settings: "DataSettings", seed: int) -> Task:
        """Return what ``settings.build(seed)`` returns, as an object of its own."""
        seed = settings.seed_of_data(seed)
        self._keep_only(f"{seed} {_data_of(settings).model_dump_json()}", settings.source)
        task = self._with_original_labels(settings, seed)
        if settings.merged_classes is not None:
            task = with_merged_classes(task, settings.merged_classes)
        task = with_label_noise(task, settings.label_noise, seed)
        # Copied: what others hold as long as a task lives, as its values on a GPU, ends with the replicate.
        return copy.copy(task) if settings.seed is None else _drawn_once(task, settings.seed)

    def _keep_only(self, data: str, source: str) -> None:
        if data != self._data or not SOURCES.is_shipped(source):
            self._kept.clear()
        self._data = data

    def _with_original_labels(self, settings: "DataSettings", seed: int) -> Task:
        kind = settings.clone
        if settings.knows(kind):
            return self._once(kind, lambda: _from_source(settings, seed, clone=kind))
        task = self._once(_OWN, lambda: _from_source(settings, seed))
        # The global twin trains the same teacher on the same task: its labels are the teacher's already.
        if settings.labels == "teacher" and kind != "gaussian_global":
            own = task
            task = self._once(_TEACHER, lambda: with_teacher_labels(own, seed))
        return task if kind == "none" else self._once(kind, lambda: clone_task(task, kind, seed))

    def _once(self, name: str, make: Callable[[], Task]) -> Task:
        if name not in self._kept:
            if name not in (_OWN, _TEACHER):  # one clone at a time
                for other in self._kept.keys() - {_OWN, _TEACHER}:
                    del self._kept[other]
            self._kept[name] = make()
        return self._kept[name]


def built_task(settings: "DataSettings", seed: int) -> Task:
    """Make the task of a ``[data]`` table; see `DataSettings.build`."""
    return TasksOfOneData().build(settings, seed)


def _data_of(settings: "DataSettings") -> "DataSettings":
    """Return settings of the data alone, without clone, noise of labels and merged classes."""
    return settings.model_copy(update={"clone": "none", "label_noise": 0.0, "merged_classes": None})


def _from_source(settings: "DataSettings", seed: int, **clone: str) -> Task:
    function = SOURCES.look_up(settings.source)
    options = copy.deepcopy(settings.model_extra or {})  # a source may change a list that it is given
    task = function(**options, **clone, seed=seed)
    if SOURCES.is_shipped(settings.source):
        return task
    if not isinstance(task, Task):
        raise InputError(
            f"data source {settings.source!r} returns {described(task)}; a sparsight.Task is needed"
        )
    return with_own_arrays(task)


def _drawn_once(task: Task, seed: int) -> Task:
    """Return the task with batches that are functions of `seed` too, if every step draws fresh samples."""
    draw = task.draw

    def draw_with_seed(_: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        assert draw is not None
        return draw(seed, step, batch_size)

    return dataclasses.replace(
        task, draw=None if draw is None else draw_with_seed, card={**task.card, "data_seed": seed}
    )


def own_clones(source: str) -> tuple[str, ...]:
    """Return the clones that a source makes itself."""
    parameters = inspect.signature(SOURCES.look_up(source), eval_str=True).parameters
    return get_args(parameters["clone"].annotation) if "clone" in parameters else ()
