import numpy as np
import pytest

from sparsight.data import SOURCES, data_source
from sparsight.errors import InputError
from sparsight.recipe import Recipe
from sparsight.run import network_leak
from sparsight.run._building import twin_settings
from tests.data.test_twin_leak import white_task


@pytest.fixture
def white():
    @data_source("white")
    def source(*, num_inputs: int = 64, per_class: int = 130, seed: int):
        return white_task(num_inputs, per_class, num_classes=2, seed=seed)

    yield
    del SOURCES["white"]


def recipe_with(clone, source="white"):
    values = {
        "name": "leak",
        "data": {"source": source, "clone": clone},
        "network": {"widths": [64]},
        "training": {"steps": 300, "batch_size": 64, "learning_rate": 0.3, "evaluations": 1},
    }
    return Recipe.from_values(values, "test")


@pytest.mark.parametrize("replicate", range(2))
def test_the_network_finds_the_plain_twin_and_not_the_others(white, replicate):
    """The planted case: labels mean nothing, but two samples for each input leave a large sampling error."""
    found = network_leak(recipe_with("gaussian"), replicate=replicate)
    assert found.is_found
    assert found.interval[0] < found.accuracy < found.interval[1]
    assert (found.clone, found.chance, found.num_samples) == ("gaussian", 0.5, 200)
    for clone in ("gaussian_shrunk", "gaussian_cross_fitted"):
        found = network_leak(recipe_with(clone), replicate=replicate)
        assert not found.is_found
        assert found.interval[0] < found.chance


def test_the_twin_that_is_measured_on_is_looked_at_by_default(white):
    assert network_leak(recipe_with("none")).clone == "gaussian_shrunk"


@pytest.mark.parametrize(
    ("source", "clone"), [("nlgp", "none"), ("white", "phase"), ("white", "gaussian_global")]
)
def test_where_nothing_is_fitted_to_classes_nothing_can_leak(white, source, clone):
    with pytest.raises(InputError, match="nothing can leak"):
        network_leak(recipe_with(clone, source))


def test_a_replicate_that_has_begun_keeps_its_twin(white):
    condition = recipe_with("none").condition("base")
    assert twin_settings(condition, {}).clone == "gaussian_shrunk"
    assert twin_settings(condition, {"twin_clone": "gaussian_shrunk"}).clone == "gaussian_shrunk"
    assert twin_settings(condition, {"name": "written by version 0.1"}).clone == "gaussian"
    ring = recipe_with("none", "nlgp").condition("base")
    assert twin_settings(ring, {}).clone == twin_settings(ring, {"name": "0.1"}).clone == "gaussian"


def test_permuted_labels_keep_their_numbers(white):
    from sparsight.data import with_permuted_labels

    task = white_task(16, 40, num_classes=3)
    permuted = with_permuted_labels(task, 0)
    assert (np.bincount(permuted.train_labels) == np.bincount(task.train_labels)).all()
    assert (permuted.train_labels != task.train_labels).any()
    assert (permuted.test_labels != task.test_labels).any()
    assert (with_permuted_labels(task, 0).train_labels == permuted.train_labels).all()
