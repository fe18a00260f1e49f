import numpy as np
import pytest

from sparsight.data import (
    SOURCES,
    availability,
    data_source,
    describe_task,
    photographs,  # noqa: F401 - registers it
)
from sparsight.errors import InputError
from tests.toy import linear_task


def test_description_counts_and_measures():
    task = linear_task(num_train=4000)
    found = describe_task(task)
    assert found["train samples"] == 4000
    assert found["train samples by class"] == np.bincount(task.train_labels).tolist()
    assert found["pixel mean"] == pytest.approx(task.train_inputs.mean(), abs=1e-4)
    assert found["pixel excess kurtosis"] == pytest.approx(0, abs=0.1)
    assert found["gradient excess kurtosis"] == pytest.approx(0, abs=0.1)


def test_availability_says_what_is_missing():
    @data_source("needs a folder")
    def needs(*, folder: str = "/nowhere/at/all", seed: int):
        """Read something."""

    @data_source("needs a path")
    def needs_path(*, path: str, seed: int):
        """Read something else."""

    try:
        status = {each.name: each for each in availability()}
    finally:
        del SOURCES["needs a folder"], SOURCES["needs a path"]
    assert status["photographs"].available
    assert status["patches"].available  # its folder may be left out
    assert not status["needs a folder"].available
    assert "/nowhere/at/all" in status["needs a folder"].what
    assert "Needs data.path" in status["needs a path"].what


def test_a_source_name_is_registered_once():
    with pytest.raises(InputError, match="'photographs' is registered already"):
        data_source("photographs")(lambda *, seed: None)
