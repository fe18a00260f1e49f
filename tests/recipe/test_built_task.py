"""Tasks that are made one after the other share their data, and are those that are made alone."""

import itertools

import numpy as np
import pytest

from sparsight.data import task_digests
from sparsight.recipe import DataSettings, TasksOfOneData, _built_task
from tests import toy  # noqa: F401 - registers the source `plane`

RING = {"source": "nlgp", "size": [12], "correlation_lengths": [1.0, 2.0], "num_train": 80, "num_test": 20}
CHANGES = (
    {},
    {"clone": "gaussian"},
    {"clone": "gaussian_shared"},
    {"clone": "gaussian_global"},
    {"label_noise": 1.0},
    {"clone": "gaussian", "label_noise": 0.5},
    {"labels": "teacher"},
    {"labels": "teacher", "clone": "gaussian_global"},
    {"labels": "teacher", "clone": "phase"},
    {"merged_classes": 2, "clone": "phase"},
    {"seed": 3},
    {"gains": [2.0]},
)


def settings(**values):
    return DataSettings.model_validate(RING | values)


def facts(task):
    return task_digests(task), task.name, dict(task.card)


@pytest.fixture
def made(monkeypatch):
    """How often a source, a teacher or a clone was asked for."""
    calls = []
    for name in ("_from_source", "with_teacher_labels", "clone_task"):
        function = getattr(_built_task, name)

        def counted(*arguments, name=name, function=function, **options):
            calls.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(_built_task, name, counted)
    monkeypatch.setattr("sparsight.data._teacher._NUM_STEPS", 20)
    return calls


def test_every_task_is_the_one_that_is_made_alone_in_whatever_order(made):
    alone = [facts(settings(**change).build(4)) for change in CHANGES]
    tasks = TasksOfOneData()
    for first, second in itertools.permutations(range(len(CHANGES)), 2):
        for number in (first, second):
            assert facts(tasks.build(settings(**CHANGES[number]), 4)) == alone[number]


def test_conditions_of_one_replicate_make_data_and_twin_once(made):
    tasks = TasksOfOneData()
    for change in ({}, {"clone": "gaussian_shared"}, {"label_noise": 1.0}):
        tasks.build(settings(**change), 0)
        tasks.build(settings(**change | {"clone": "gaussian_shared"}), 0)
    assert made == ["_from_source", "clone_task"]
    tasks.build(settings(), 1)  # another replicate
    tasks.build(settings(gains=[2.0]), 1)
    assert made == ["_from_source", "clone_task", "_from_source", "_from_source"]


def test_data_drawn_once_are_made_once_for_all_replicates(made):
    tasks = TasksOfOneData()
    for seed in range(3):
        tasks.build(settings(seed=9), seed)
    assert made == ["_from_source"]


def test_one_clone_is_kept(made):
    tasks = TasksOfOneData()
    for clone in ("phase", "gaussian_shared", "phase"):
        tasks.build(settings(clone=clone), 0)
    assert made == ["_from_source", "clone_task", "clone_task", "clone_task"]
    assert tasks._kept.keys() == {"none", "phase"}


def test_data_of_a_users_source_are_made_each_time(made):
    tasks, plane = TasksOfOneData(), DataSettings(source="plane", num_inputs=6, num_train=200)
    tasks.build(plane, 0)
    tasks.build(plane, 0)
    assert made == ["_from_source", "_from_source"]


def test_each_task_is_an_object_of_its_own_on_the_same_inputs():
    tasks = TasksOfOneData()
    first, second = (tasks.build(settings(), 0) for _ in range(2))
    assert first is not second
    assert np.shares_memory(first.train_inputs, second.train_inputs)
