"""The task that a ``[data]`` table describes."""

import copy
import dataclasses
import inspect
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


def built_task(settings: "DataSettings", seed: int) -> Task:
    """Make the task of a ``[data]`` table; see `DataSettings.build`."""
    task = _task_of(settings, settings.seed_of_data(seed))
    return task if settings.seed is None else _drawn_once(task, settings.seed)


def _task_of(settings: "DataSettings", seed: int) -> Task:
    function = SOURCES.look_up(settings.source)
    options = copy.deepcopy(settings.model_extra or {})  # a source may change a list that it is given
    knows_clone = settings.knows(settings.clone)
    task = function(**options, **({"clone": settings.clone} if knows_clone else {}), seed=seed)
    if not SOURCES.is_shipped(settings.source):
        if not isinstance(task, Task):
            raise InputError(
                f"data source {settings.source!r} returns {described(task)}; a sparsight.Task is needed"
            )
        task = with_own_arrays(task)
    if not knows_clone:
        # The global twin trains the same teacher on the same task: its labels are the teacher's already.
        if settings.labels == "teacher" and settings.clone != "gaussian_global":
            task = with_teacher_labels(task, seed)
        task = clone_task(task, settings.clone, seed)
    if settings.merged_classes is not None:
        task = with_merged_classes(task, settings.merged_classes)
    return with_label_noise(task, settings.label_noise, seed)


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
