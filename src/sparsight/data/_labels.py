"""Tasks with the same inputs and less informative labels: noisy or permuted ones, or merged classes."""

from dataclasses import replace

import numpy as np

from sparsight.data._task import Task
from sparsight.errors import InputError
from sparsight.streams import generator


def with_label_noise(task: Task, share: float, seed: int) -> Task:
    """Return the task with a share of its labels, in both splits, replaced by random ones.

    With K classes, a classifier that was right with probability a is then right with probability
    (1 − share) · a + share/K. Inputs do not change, so the difficulty changes and nothing else does. With
    share 1 labels say nothing about inputs: training can only memorise.

    Parameters
    ----------
    share : float
        In [0, 1]: the probability that a label is replaced by one drawn uniformly from all classes (which
        may be the same).

    Raises
    ------
    InputError
        If the share is out of range, or the task draws fresh samples at every step.
    """
    if not 0 <= share <= 1:
        raise InputError(f"label_noise is {share}; 0 to 1 is allowed")
    if share == 0:
        return task
    _check_not_online(task, "label_noise")
    labels = {}
    for split, original in (("train", task.train_labels), ("test", task.test_labels)):
        rng = generator(seed, "label noise", split)
        replaced = rng.random(len(original)) < share
        labels[split] = np.where(replaced, rng.integers(task.num_classes, size=len(original)), original)
    return replace(
        task,
        name=f"{task.name}, label noise {share:g}",
        train_labels=labels["train"].astype(np.int64),
        test_labels=labels["test"].astype(np.int64),
        card={**task.card, "label_noise": share},
    )


def with_permuted_labels(task: Task, seed: int) -> Task:
    """Return the task with the labels of each split permuted: they say nothing about the inputs.

    Unlike with `with_label_noise`, every class keeps its number of samples. Whoever tells the classes of a
    clone of this task apart does so by what the making of the clone put there.

    Raises
    ------
    InputError
        If the task draws fresh samples at every step.
    """
    _check_not_online(task, "labels, permuted,")
    return replace(
        task,
        name=f"{task.name}, permuted labels",
        train_labels=generator(seed, "permuted labels", "train").permutation(task.train_labels),
        test_labels=generator(seed, "permuted labels", "test").permutation(task.test_labels),
        card={**task.card, "labels": "permuted"},
    )


def with_merged_classes(task: Task, num_classes: int) -> Task:
    """Return the task with neighbouring classes merged: class c of K becomes ⌊c · num_classes / K⌋.

    Parameters
    ----------
    num_classes : int
        2 … K.

    Raises
    ------
    InputError
        If the number is out of range, or the task draws fresh samples at every step.
    """
    if not 2 <= num_classes <= task.num_classes:
        raise InputError(
            f"merged_classes is {num_classes}; 2 to {task.num_classes} (the number of classes) is allowed"
        )
    if num_classes == task.num_classes:
        return task
    _check_not_online(task, "merged_classes")
    return replace(
        task,
        name=f"{task.name}, {num_classes} merged classes",
        num_classes=num_classes,
        train_labels=task.train_labels * num_classes // task.num_classes,
        test_labels=task.test_labels * num_classes // task.num_classes,
        card={**task.card, "merged_classes": num_classes},
    )


def _check_not_online(task: Task, option: str) -> None:
    if task.draw is not None:
        raise InputError(
            f"data.{option} needs a fixed training set, but task {task.name!r} is online; set online = false"
        )
