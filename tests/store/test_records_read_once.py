"""A run at one moment: records are read once, and levels that are stored later are not in it."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sparsight.errors import InputError
from sparsight.report import Summaries, write_report
from sparsight.store import _run_directory, intervals_by_level, open_run, read_level, write_record


def counted(monkeypatch):
    read, calls = _run_directory.read_record, []

    def read_record(folder):
        calls.append(folder)
        return read(folder)

    monkeypatch.setattr(_run_directory, "read_record", read_record)
    return calls


def test_numbers_are_those_of_the_run(stored_run):
    assert stored_run.at_one_moment().frame().equals(stored_run.frame())
    assert stored_run.at_one_moment().layers() == stored_run.layers()
    frozen = stored_run.at_one_moment()
    assert frozen.at_one_moment() is frozen


def test_a_report_reads_every_record_once(stored_run, monkeypatch, tmp_path):
    calls = counted(monkeypatch)
    write_report(stored_run, path=tmp_path / "report.html")
    levels = sum(stored_run.directory.num_levels(*each) for each in stored_run.directory.replicates())
    assert len(calls) == len(set(calls)) == levels


def test_levels_that_come_later_are_left_out(stored_run, tmp_path):
    shutil.copytree(stored_run.path, tmp_path / "run")
    run = open_run(tmp_path / "run")
    condition, replicate = run.directory.replicates()[0]
    last = run.directory.num_levels(condition, replicate) - 1
    hidden = tmp_path / "hidden"
    run.directory.level(condition, replicate, last).rename(hidden)
    frozen = run.at_one_moment()
    before = frozen.frame()
    hidden.rename(run.directory.level(condition, replicate, last))
    assert frozen.frame().equals(before)
    assert frozen.directory.num_levels(condition, replicate) == last
    assert run.directory.num_levels(condition, replicate) == last + 1


@pytest.fixture
def copied(stored_run, tmp_path):
    shutil.copytree(stored_run.path, tmp_path / "run")
    return open_run(tmp_path / "run")


def test_measures_that_were_replaced_meanwhile_are_read_with_their_new_record(copied):
    place = (*copied.directory.replicates()[0], 0)
    frozen = copied.at_one_moment()
    frozen.frame()
    folder, measures = copied.directory.level(*place), copied.measures(*place)
    layer = next(iter(measures))
    name = next(name for name, quantity in measures[layer].items() if quantity.dims == ("unit",))
    changed = replace(measures[layer][name], value=np.asarray(measures[layer][name].value) + 1)
    write_record(folder, frozen.directory.record(*place), read_level(folder).masks, {layer: {name: changed}})
    assert np.array_equal(frozen.measures(*place)[layer][name].value, changed.value, equal_nan=True)
    assert frozen.level(*place).masks.keys() == copied.level(*place).masks.keys()


@pytest.mark.parametrize("file", ["masks", "measures"])
def test_a_file_that_was_damaged_meanwhile_is_refused(copied, file):
    place = (*copied.directory.replicates()[0], 0)
    frozen = copied.at_one_moment()
    frozen.frame()
    path = copied.directory.level(*place) / f"{file}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=path.name):
        frozen.measures(*place)


def test_summaries_find_the_rows_that_a_search_finds(stored_run):
    summaries = Summaries(stored_run)
    frame = summaries.frame
    for quantity, layer in frame[["quantity", "layer"]].drop_duplicates().itertuples(index=False):
        rows = frame[(frame["quantity"] == quantity) & (frame["layer"] == layer)]
        assert summaries.has(quantity, layer) == rows["value"].notna().any()
        found = summaries.values(quantity, layer, summaries.conditions[0], 0)
        of_level = rows[(rows["condition"] == summaries.conditions[0]) & (rows["level"] == 0)]
        pd.testing.assert_series_equal(found, of_level.set_index("seed")["value"])
    some = frame["quantity"].iloc[0], frame["layer"].iloc[0]
    pd.testing.assert_frame_equal(summaries.intervals(*some), intervals_by_level(frame, *some))
    assert not summaries.has("no.quantity", some[1])
    assert len(summaries.values("no.quantity", some[1], summaries.conditions[0], 0)) == 0
