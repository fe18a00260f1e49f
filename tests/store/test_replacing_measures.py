"""Measures are replaced in one step: killed anywhere, a level has the former ones or the new ones, whole."""

import os
import shutil

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.instruments import Quantity
from sparsight.run import measure_again, run_recipe
from sparsight.store import (
    RunDirectory,
    check_replicate,
    check_run,
    open_run,
    read_level,
    read_measures,
    write_record,
)
from sparsight.store._level_files import MEASURES, NEXT_MEASURES
from tests.run.run_digests import digests

CALLS = ("open", "write", "fsync", "replace", "rename", "unlink")


class Killed(BaseException):
    """Stands for SIGKILL: no code of ours catches it, and what was done stays."""


class KilledAt:
    """Stands in for the calls of `os` that write, and is killed at the n-th of them."""

    def __init__(self, monkeypatch, number):
        self.number, self.seen = number, 0
        for name in CALLS:
            monkeypatch.setattr(os, name, self.watched(getattr(os, name)))

    def watched(self, call):
        def instead(*arguments, **options):
            # also afterwards: a dead process does not tidy up
            if self.seen >= self.number:
                raise Killed
            self.seen += 1
            return call(*arguments, **options)

        return instead


@pytest.fixture
def level(short_copy):
    return short_copy / "imp" / "replicate_000" / "level_001"


def added(folder, value):
    """The level's measures and one more, an array and a number."""
    measures = read_measures(folder)
    definition = "planted"
    measures["linear_0"] |= {
        "planted.array": Quantity(np.full(12, value), ("unit",), definition),
        "planted.number": Quantity(value, (), definition),
    }
    return measures


def planted(folder):
    found = read_measures(folder)["linear_0"]
    if "planted.number" not in found:
        return None
    (value,) = set(np.asarray(found["planted.array"].value).tolist())
    assert value == found["planted.number"].value  # never the array of one and the number of the other
    return value


def replace(folder, value):
    stored = read_level(folder)
    write_record(folder, stored.record, stored.masks, added(folder, value))


def num_calls(monkeypatch, folder):
    with monkeypatch.context() as patch:
        disk = KilledAt(patch, 10**6)
        replace(folder, 1.0)
    return disk.seen


def replace_and_be_killed(monkeypatch, folder, value, number):
    with monkeypatch.context() as patch:
        KilledAt(patch, number)
        with pytest.raises(Killed):
            replace(folder, value)


def test_killed_at_any_call_a_level_has_the_former_or_the_new_measures(monkeypatch, level, tmp_path):
    replace(level, 1.0)
    shutil.copytree(level, tmp_path / "before")
    calls = num_calls(monkeypatch, level)
    assert calls > 10
    values = []
    for number in range(calls):
        shutil.rmtree(level)
        shutil.copytree(tmp_path / "before", level)
        replace_and_be_killed(monkeypatch, level, 2.0, number)
        values.append(planted(level))
        directory = RunDirectory.open(level.parents[2])
        assert check_replicate(directory, "imp", 0).problems == ()
        # Killed again at the same place: what the first attempt had reached is not lost.
        replace_and_be_killed(monkeypatch, level, 3.0, number)
        assert planted(level) in (values[-1], 3.0)
        replace(level, 4.0)
        assert planted(level) == 4.0
        assert not (level / NEXT_MEASURES).exists()
    assert set(values) == {1.0, 2.0}
    assert values == sorted(values)  # it changes at one call


def killed_between_its_two_renames(monkeypatch, folder):
    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("sparsight.store._level_files.rename_durably", die)
        with pytest.raises(Killed):
            replace(folder, 2.0)
    assert (folder / NEXT_MEASURES).exists()


def test_what_a_killed_writer_left_in_the_folder_goes_with_the_next_one(level):
    for name in ("level.json", NEXT_MEASURES):
        (level / f".{name}.17875-0f1e1379.tmp").write_bytes(b"half")
    replace(level, 2.0)
    assert planted(level) == 2.0
    assert not list(level.glob(".*"))


def test_every_reader_sees_the_new_measures_and_run_keeps_them(monkeypatch, level, short_recipe, short_copy):
    killed_between_its_two_renames(monkeypatch, level)
    assert planted(level) == 2.0
    assert "planted.number" in set(open_run(short_copy).frame()["quantity"])
    whole, replicates = check_run(RunDirectory.open(short_copy))
    assert not whole
    assert not any(health.problems for health in replicates)
    run_recipe(short_recipe, short_copy, jobs=1)
    assert planted(level) == 2.0


def test_measuring_again_after_a_kill_keeps_what_others_measured(monkeypatch, level, short_copy):
    killed_between_its_two_renames(monkeypatch, level)
    measure_again(RunDirectory.open(short_copy), ["initialisation"])
    assert planted(level) == 2.0
    found = read_measures(level)["linear_0"]
    assert {name.partition(".")[0] for name in found} == {"locality", "planted", "initialisation"}


@pytest.mark.parametrize("mend", ["run", "measure"])
def test_damaged_measures_come_back_with_those_that_were_added_later(
    level, short_recipe, short_copy, mend, caplog
):
    directory = RunDirectory.open(short_copy)
    measure_again(directory, ["gaussianity"])
    expected = digests(short_copy)
    replace(level, 1.0)  # by an instrument that is not here
    content = bytearray((level / MEASURES).read_bytes())
    content[-1] ^= 1
    (level / MEASURES).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_measures(level)
    if mend == "run":
        run_recipe(short_recipe, short_copy, jobs=1)
    else:
        measure_again(directory)
    after = digests(short_copy)
    assert {name: after[name] for name in expected if name.endswith("safetensors")} == {
        name: expected[name] for name in expected if name.endswith("safetensors")
    }
    assert "what planted had measured is damaged" in caplog.text
