"""Twins, labels and fields of the ``[data]`` table that version 0.1 did not have."""

import pytest

from sparsight.data import clone_task, with_teacher_labels
from sparsight.recipe import DataSettings
from tests import toy  # noqa: F401 - registers the source `plane`

RING = {"source": "nlgp", "size": [16], "correlation_lengths": [1.0, 2.0], "num_train": 60, "num_test": 20}
PLANE = {"source": "plane", "num_inputs": 6, "num_train": 200}


def settings(**values):
    return DataSettings.model_validate(values)


def test_fields_added_later_are_left_out_at_their_default():
    assert settings(**RING).model_dump() == settings(**RING, labels="own", unit_norm=False).model_dump()
    assert not {"labels", "unit_norm"} & settings(**RING).model_dump(mode="json").keys()
    dumped = settings(**RING, labels="teacher", unit_norm=True).model_dump(mode="json")
    assert (dumped["labels"], dumped["unit_norm"]) == ("teacher", True)
    assert settings(**dumped) == settings(**RING, labels="teacher", unit_norm=True)


def test_the_twin_is_exact_where_it_is_known_and_shrunk_elsewhere():
    assert settings(**RING).twin().clone == "gaussian"
    assert settings(**PLANE).twin().clone == "gaussian_shrunk"
    assert settings(source="ising", size=[16]).twin().clone == "gaussian_shrunk"
    assert settings(**PLANE).twin("gaussian").clone == "gaussian"
    assert settings(**PLANE, clone="phase").twin() is None
    # The teacher's classes are not those whose Gaussians the source knows.
    assert settings(**RING, labels="teacher").twin().clone == "gaussian_shrunk"


def test_a_fitted_clone_of_a_field_is_not_its_exact_twin():
    exact, fitted = (
        settings(**RING, clone=clone).build(0) for clone in ("gaussian", "gaussian_cross_fitted")
    )
    assert "leak" not in exact.card
    assert "leak" in fitted.card
    assert fitted.name == "nlgp-gaussian_cross_fitted"


@pytest.mark.parametrize("clone", ["none", "gaussian_shared", "gaussian_global"])
def test_teacher_labels_go_with_every_clone(clone, monkeypatch):
    monkeypatch.setattr("sparsight.data._teacher._NUM_STEPS", 100)
    plain = settings(**PLANE).build(4)
    built = settings(**PLANE, clone=clone, labels="teacher").build(4)
    expected = with_teacher_labels(plain, 4)
    if clone == "gaussian_global":
        expected = clone_task(plain, clone, 4)
    elif clone != "none":
        expected = clone_task(expected, clone, 4)
    assert (built.train_labels == expected.train_labels).all()
    assert (built.train_inputs == expected.train_inputs).all()
