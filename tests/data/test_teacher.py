import numpy as np
import pytest
import torch

from sparsight.data import clone_task, with_teacher_labels
from sparsight.data._teacher import Teacher
from sparsight.data.fields._nlgp import gp
from sparsight.errors import InputError
from tests.data.test_clones import assert_moments, heavy_task
from tests.toy import linear_task


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("sparsight.data._teacher._NUM_STEPS", 300)


def test_a_teacher_learns_and_is_a_function_of_task_and_seed():
    task = linear_task(num_inputs=8, num_train=1000, num_test=400)
    teacher, again, other = (Teacher.of(task, seed) for seed in (0, 0, 1))
    assert teacher.card["test_accuracy"] > 0.93
    inputs = task.flat(task.test_inputs)
    assert (teacher.labels_of(inputs) == again.labels_of(inputs)).all()
    assert any(
        not torch.equal(a, b)
        for a, b in zip(teacher.network.parameters(), other.network.parameters(), strict=True)
    )


def test_teacher_labels_are_its_argmax_on_the_same_inputs():
    task = linear_task(num_inputs=8, num_train=300, num_test=100)
    labelled, teacher = with_teacher_labels(task, 3), Teacher.of(task, 3)
    for split in ("train", "test"):
        inputs, labels = labelled.samples(split)
        assert torch.equal(inputs, task.samples(split)[0])
        assert torch.equal(labels, teacher.network(inputs).argmax(dim=1))
    assert labelled.card["labels"] == "teacher"


def test_the_global_twin_is_one_gaussian_labelled_by_the_teacher_of_the_original():
    task = heavy_task(num_train=(300, 500), num_test=20_000)
    twin, labelled = clone_task(task, "gaussian_global", 5), with_teacher_labels(task, 5)
    everything = task.samples("train")[0].double().numpy()
    assert_moments(twin.samples("test")[0].double().numpy(), everything.mean(axis=0), np.cov(everything.T))
    inputs, labels = twin.samples("test")
    assert torch.equal(labels, Teacher.of(task, 5).network(inputs).argmax(dim=1))
    assert twin.card["teacher"] == labelled.card["teacher"]
    assert sum(twin.card["twin_class_shares"]) == pytest.approx(1, abs=1e-3)
    assert "leak" not in twin.card


def test_online_tasks_draw_teacher_labels_and_global_inputs():
    options = {"size": [24], "correlation_lengths": [1.0, 4.0], "num_train": 600, "num_test": 60}
    task = gp(**options, online=True, seed=0)
    teacher = Teacher.of(task, 0)
    for other in (with_teacher_labels(task, 0), clone_task(task, "gaussian_global", 0)):
        inputs, labels = other.batch(1, 7, 50)
        assert torch.equal(labels, teacher.network(inputs).argmax(dim=1))
        assert torch.equal(other.batch(1, 7, 50)[0], inputs)
        assert not torch.equal(other.batch(1, 8, 50)[0], inputs)


def test_a_teacher_that_sees_one_class_is_refused():
    task = linear_task(num_inputs=4, num_train=300, num_test=10)
    teacher = Teacher.of(task, 0)
    with torch.no_grad():
        teacher.network[2].bias[1] += 1e6
    with pytest.raises(InputError, match="the teacher puts every training input in class 1"):
        teacher.labels(task, "train")
