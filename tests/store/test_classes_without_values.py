"""Quantities of classes and units leave out classes without values in files, and come back whole."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays as arrays_of

from sparsight.instruments import Quantity
from sparsight.prune import PruningSettings, imp
from sparsight.store import read_level
from sparsight.store._level_arrays import pack_measures, unpack_quantity
from sparsight.store._level_files import MEASURES, read_measures, write_level
from sparsight.store._level_record import RECORD, RecordedQuantity
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

BY_CLASS = ("class", "unit")


def there_and_back(values):
    packed, described = pack_measures(
        {}, {"linear_0": {"kurtosis": Quantity(values, BY_CLASS, "a definition")}}
    )
    entry = RecordedQuantity(**described["linear_0"]["kurtosis"])
    return packed, unpack_quantity("linear_0", "kurtosis", entry, packed, {})


@given(
    arrays_of(
        st.sampled_from([np.float64, np.float32]),
        st.tuples(st.integers(1, 12), st.integers(1, 4)),
        elements=st.floats(-8, 8, width=16),
    ),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_values_come_back_with_nan_where_they_were_left_out(values, is_empty):
    values[np.array(is_empty[: len(values)])] = np.nan
    packed, found = there_and_back(values)
    np.testing.assert_array_equal(found.value, values)
    assert found.value.dtype == values.dtype
    present = int((~np.isnan(values).all(axis=1)).sum())
    stored = packed["linear_0/kurtosis"]
    assert len(stored) == (present if 2 * present <= len(values) else len(values))


def test_a_class_with_one_value_is_kept_whole():
    values = np.full((9, 3), np.nan)
    values[4, 1] = 2.0
    packed, found = there_and_back(values)
    assert packed["linear_0/kurtosis"].shape == (1, 3)
    np.testing.assert_array_equal(found.value, values)


@pytest.fixture
def level_folder(tmp_path):
    """A stored level with statistics of 1000 classes, of which 3 have values."""
    task = linear_task()
    settings = TrainingSettings(steps=2, batch_size=32)
    (level,) = imp(small_network(task), task, settings, PruningSettings(max_levels=0))
    values = np.full((1000, 12), np.nan)
    values[[0, 17, 999]] = np.arange(36.0).reshape(3, 12)
    measures = {"linear_0": {"kurtosis": Quantity(values, BY_CLASS, "a definition")}}
    folder = tmp_path / "level_000"
    facts = {"connectivity": {"num_units": 1, "num_connected": 1, "severed_layers": [], "has_path": True}}
    write_level(folder, level, measures, facts)
    return folder, values


def test_a_level_takes_the_bytes_of_the_classes_with_values(level_folder):
    folder, values = level_folder
    assert (folder / MEASURES).stat().st_size < 1000 < values.nbytes
    np.testing.assert_array_equal(read_measures(folder)["linear_0"]["kurtosis"].value, values)
    assert json.loads((folder / RECORD).read_text(encoding="utf-8"))["format_version"] == 3
    assert read_level(folder).index == 0


@pytest.mark.parametrize(
    ("num_classes", "classes"),
    [(10**12, [0, 1]), (-3, [0, 1]), (2, [0, 2]), (2, [-1, 0]), (5, [0]), (5, [0.5, 1.5])],
)
def test_a_forged_number_of_classes_is_refused_before_memory_is_taken(num_classes, classes):
    entry = RecordedQuantity(dims=list(BY_CLASS), definition="", unit="", num_classes=num_classes)
    forged = {"linear_0/kurtosis": np.zeros((2, 3)), "linear_0/kurtosis/classes": np.array(classes)}
    with pytest.raises((ValueError, IndexError)):
        unpack_quantity("linear_0", "kurtosis", entry, forged, {})
