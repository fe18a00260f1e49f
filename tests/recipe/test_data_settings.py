"""Twins, labels and fields of the ``[data]`` table that version 0.1 did not have."""

import pytest

from sparsight.data import clone_task, task_digests, with_teacher_labels
from sparsight.errors import InputError
from sparsight.recipe import DataSettings, Recipe
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


SOURCES_THAT_DRAW = [
    RING,
    RING | {"clone": "gaussian"},
    PLANE,
    PLANE | {"clone": "gaussian_shrunk"},
    PLANE | {"label_noise": 0.5},
    {"source": "pulses", "size": [16], "num_train": 60, "num_test": 20},
    {"source": "ising", "size": [8], "num_train": 60, "num_test": 20},
    {"source": "teacher", "size": [16], "num_train": 60, "num_test": 20},
    {"source": "patches", "size": 8, "num_train": 60, "num_test": 20},
]


@pytest.mark.parametrize("values", SOURCES_THAT_DRAW, ids=lambda values: "-".join(map(str, values))[:40])
def test_data_with_a_seed_are_the_same_in_every_replicate(values):
    own, other = (task_digests(settings(**values).build(seed)) for seed in (4, 5))
    assert own != other  # otherwise this test could not fail
    once = [settings(**values, seed=4).build(seed) for seed in (4, 5)]
    assert [task_digests(task) for task in once] == [own, own]
    assert [task.card["data_seed"] for task in once] == [4, 4]


def test_samples_that_every_step_draws_follow_the_seed_of_the_data():
    plain = settings(**RING, online=True).build(4)
    once = settings(**RING, online=True, seed=4).build(5)
    for step in (0, 3):
        expected, drawn = plain.batch(4, step, 8), once.batch(99, step, 8)
        assert all((a == b).all() for a, b in zip(expected, drawn, strict=True))
    assert (plain.batch(99, 0, 8)[0] != once.batch(99, 0, 8)[0]).any()


def test_the_twin_of_data_with_a_seed_has_it_too():
    twin = settings(**PLANE, seed=4).twin()
    assert task_digests(twin.build(1)) == task_digests(twin.build(2))


def test_a_recipe_without_a_seed_of_the_data_keeps_its_hash():
    values = {"name": "a", "data": RING, "training": {"steps": 3}}
    without, none, with_seed = (
        Recipe.from_values(values | {"data": RING | seed}, "a") for seed in ({}, {"seed": None}, {"seed": 0})
    )
    assert "seed" not in without.condition("base").data.model_dump()
    assert without.digest() == none.digest() != with_seed.digest()
    assert without.identity() == none.identity() != with_seed.identity()
    assert Recipe.from_values(with_seed.resolved(), "again").digest() == with_seed.digest()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "x"])
def test_a_seed_that_no_generator_takes_is_refused_by_name(seed):
    with pytest.raises(InputError, match="data.seed"):
        Recipe.from_values({"name": "a", "data": RING | {"seed": seed}, "training": {"steps": 3}}, "a")
