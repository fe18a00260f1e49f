"""A link that is planted in a run after it was searched for links: no writer of levels follows it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from sparsight.errors import InputError
from sparsight.store import (
    CHECKPOINT,
    RunDirectory,
    TrainingProgress,
    open_run,
    read_level,
    write_checkpoint,
    write_level,
    write_progress,
    write_record,
)
from sparsight.store._level_files import NEXT_MEASURES, _finish_replacing
from sparsight.store._own_code import OwnFunction

HALFWAY = TrainingProgress(level=0, step=1, num_steps=2, density=1.0, test_accuracy=None, seconds=1.0)
PLACES = ["imp", "imp/replicate_000", "imp/replicate_000/level_001"]


def a_level(run):
    stored = open_run(run).level("imp", 0, 1)
    level = stored.as_level(torch.nn.Linear(1, 1), None)
    return replace(level, initial={}, rewind=None), stored


def a_trainer():
    return SimpleNamespace(
        level=0, rewind=None, trainer=SimpleNamespace(state=lambda: ({}, {})), snapshots={}
    )


def writers(run):
    """Everything that writes below a condition, called as a run calls it once it holds the lock."""
    directory = RunDirectory.open(run)
    folder = directory.level("imp", 0, 1)
    level, stored = a_level(run)
    measures = open_run(run).measures("imp", 0, 1)
    facts = stored.record.model_dump(exclude_unset=True)
    return {
        "level": lambda: write_level(folder, level, measures, facts),
        "measures": lambda: write_record(folder, stored.record, stored.masks, measures),
        "checkpoint": lambda: write_checkpoint(folder.parent, a_trainer()),
        "progress": lambda: write_progress(folder.parent, HALFWAY),
        "failure": lambda: directory.note_failure("imp", 0, "diverged"),
    }


IN_A_LEVEL = ("level", "measures")
WRITERS = (*IN_A_LEVEL, "checkpoint", "progress", "failure")


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def link_away(place, elsewhere):
    """Put a link in the place of a folder, to a folder of somebody's with the same content."""
    place.rename(elsewhere)
    place.symlink_to(elsewhere, target_is_directory=True)


@pytest.mark.parametrize("name", WRITERS)
def test_without_a_link_every_writer_writes(short_copy, name):
    before = contents(short_copy)
    writers(short_copy)[name]()
    assert name in IN_A_LEVEL or contents(short_copy) != before
    assert read_level(short_copy / PLACES[-1]).index == 1


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name in WRITERS for place in PLACES if name in IN_A_LEVEL or "level_" not in place],
)
def test_a_link_planted_late_is_not_written_through(short_copy, tmp_path, name, place):
    write = writers(short_copy)[name]
    link_away(short_copy / place, tmp_path / "elsewhere")
    before = contents(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link, and nothing is written through"):
        write()
    assert contents(tmp_path / "elsewhere") == before


def test_a_missing_level_is_not_made_behind_a_link(short_copy, tmp_path):
    level, stored = a_level(short_copy)
    link_away(short_copy / "imp", tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        write_level(short_copy / "imp/replicate_000/level_007", level, {}, stored.record.model_dump())
    assert not (tmp_path / "elsewhere" / "replicate_000" / "level_007").exists()


def test_measures_are_not_replaced_behind_a_link(short_copy, tmp_path):
    folder = short_copy / PLACES[-1]
    (folder / NEXT_MEASURES).write_bytes((folder / "measures.safetensors").read_bytes())
    link_away(short_copy / "imp", tmp_path / "elsewhere")
    before = contents(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        _finish_replacing(folder)
    assert contents(tmp_path / "elsewhere") == before


def test_copies_of_own_code_are_not_written_through_a_link(short_copy, tmp_path):
    function = OwnFunction(files={"mine.py": b"1"})
    (tmp_path / "elsewhere").mkdir()
    (short_copy / function.folder).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(InputError, match="is a link"):
        RunDirectory.open(short_copy).note_own_code({"criterion mine": function})
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_run_that_is_reached_through_a_link_is_written(short_copy, tmp_path):
    (tmp_path / "linked").symlink_to(short_copy, target_is_directory=True)
    for write in writers(tmp_path / "linked").values():
        write()
    assert (short_copy / "imp/replicate_000" / CHECKPOINT).is_file()
