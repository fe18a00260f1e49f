"""The record of a level comes back typed, and what this version does not know stays in it."""

import json

import pytest
from pydantic import ValidationError

from sparsight.errors import InputError
from sparsight.run import measure_again
from sparsight.store import LevelRecord, RunDirectory, read_record, read_sealed, write_sealed
from sparsight.store._level_record import RECORD


@pytest.fixture
def folder(short_copy):
    return short_copy / "imp" / "replicate_000" / "level_001"


def test_a_record_has_the_values_of_the_file(folder):
    record, content = read_record(folder), json.loads((folder / RECORD).read_text())
    del content["sha256"]
    assert json.loads(record.model_dump_json(exclude_unset=True)) == content
    assert list(record.model_dump(exclude_unset=True)) == list(content)
    assert (record.index, record.is_last, record.num_prunable) == (1, False, 288)
    assert record.test_accuracy == content["curve"]["test_accuracy"][-1]
    near = content["measures"]["linear_0"]["locality.near"]
    assert record.measures["linear_0"]["locality.near"].value == near["value"]
    assert record.connectivity.num_connected == content["connectivity"]["num_connected"]


def test_a_record_cannot_be_changed(folder):
    with pytest.raises(ValidationError, match="frozen"):
        read_record(folder).density = 1.0


def test_every_field_is_declared_in_the_order_of_the_file(folder):
    record = read_record(folder)
    assert not record.model_extra
    fields = [name for name in LevelRecord.model_fields if name in record.model_fields_set]
    assert fields == list(read_sealed(folder / RECORD))


def test_keys_that_are_not_known_survive_measuring_again(short_copy, folder):
    content = read_sealed(folder / RECORD)
    content["note"] = {"by": "hand"}
    content["connectivity"]["largest"] = 7
    write_sealed(folder / RECORD, content)
    measure_again(RunDirectory.open(short_copy))
    after = read_sealed(folder / RECORD)
    assert after == content
    assert read_record(folder).note == {"by": "hand"}


def test_a_record_of_before_some_fields_were_recorded_claims_nothing_about_them(short_copy, folder):
    content = read_sealed(folder / RECORD)
    for key in ("kernels", "threads", "together", "cuda_graph"):
        del content[key]
    write_sealed(folder / RECORD, content)
    assert read_record(folder).together == 1
    measure_again(RunDirectory.open(short_copy))
    assert read_sealed(folder / RECORD) == content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": "1"}, "index: Input should be a valid integer"),
        ({"is_last": 1}, "is_last: Input should be a valid boolean"),
        ({"connectivity": {"num_units": 12}}, "connectivity.num_connected: Field required"),
        ({"measures": {"linear_0": {"x": {"dims": []}}}}, "measures.linear_0.x.definition: Field required"),
        ({"files": None}, "files: Input should be a valid dictionary"),
    ],
)
def test_a_sealed_record_of_another_type_is_damaged(folder, changes, message):
    write_sealed(folder / RECORD, read_sealed(folder / RECORD) | changes)
    with pytest.raises(InputError, match=f"level.json is damaged: {message}"):
        read_record(folder)
