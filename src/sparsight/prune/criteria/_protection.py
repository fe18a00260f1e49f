"""The user's own criteria are called so that they cannot change what they are given.

A slip such as ``w.abs_()`` for ``w.abs()`` would otherwise be stored as the trained weights.
"""

import copy
from dataclasses import replace
from typing import Any

from sparsight.data import read_only, task_digests
from sparsight.errors import InputError
from sparsight.prune.criteria._registry import CRITERIA, Trained


def scores_of(name: str, trained: Trained) -> Any:
    """Return what the criterion of this name scores; one of the user's own gets copies and read-only views.

    It may return anything, so what this returns is unchecked: see `sparsight.prune._masks.check_scores`.

    Raises
    ------
    InputError
        If there is no such criterion, or it changes the task, of which it gets no copy; the message names it.
    """
    criterion = CRITERIA.look_up(name)
    if CRITERIA.is_shipped(name):
        return criterion(trained)  # that they change nothing is tested
    before = task_digests(trained.task)
    try:
        scores = criterion(_protected(trained))
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise InputError(_refusal(name, str(error))) from error
    after = task_digests(trained.task)
    if after != before:
        changed = ", ".join(each for each in before if before[each] != after.get(each))
        raise InputError(_refusal(name, changed))
    return scores


def _protected(trained: Trained) -> Trained:
    return replace(
        trained,
        network=copy.deepcopy(trained.network),
        masks={name: mask.clone() for name, mask in trained.masks.items()},
        initial={name: value.clone() for name, value in trained.initial.items()},
        task=read_only(trained.task),
    )


def _refusal(name: str, what: str) -> str:
    return (
        f"criterion {name!r} changes the data of the task in place ({what}): work on a copy, as in "
        "task.train_inputs.copy()"
    )
