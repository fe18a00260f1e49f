import json
import os
import shutil
import threading

import pytest
from rich.console import Console

from sparsight.cli import main
from sparsight.cli.views._live_view import duration, run_view, status_table
from sparsight.run import run_recipe
from sparsight.store import (
    ProgressClock,
    RunDirectory,
    TrainingProgress,
    forget_progress,
    run_state,
    write_progress,
)
from sparsight.store._lock import OWNER
from sparsight.store._progress_file import PROGRESS, read_progress

HALFWAY = TrainingProgress(level=2, step=15, num_steps=30, density=0.49, test_accuracy=0.875, seconds=4.5)


def words(renderable, width):
    console = Console(width=width, highlight=False, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def cut_off(path, condition="random", level="level_002"):
    shutil.rmtree(path / condition / "replicate_000" / level)


def test_a_finished_run(short_run):
    state = run_state(RunDirectory.open(short_run))
    assert (state.state, state.owner, state.seconds_left) == ("finished", None, 0)
    assert [(each.num_levels, each.levels_expected, each.is_finished) for each in state.replicates] == [
        (3, 3, True)
    ] * 2
    assert words(status_table([state], 160), 160).splitlines()[1].split()[1:5] == ["finished", "2", "of", "2"]


def test_a_run_that_was_stopped_and_one_that_goes_on(short_copy):
    cut_off(short_copy)
    directory = RunDirectory.open(short_copy)
    assert run_state(directory).state == "stopped"
    with directory.writing():
        write_progress(short_copy / "random" / "replicate_000", HALFWAY)
        state = run_state(directory)
        assert (state.state, state.owner.pid) == ("running", os.getpid())
        assert state.replicates[1].progress == HALFWAY
        assert 0 <= state.seconds_left < 10
        shown = words(run_view(state, 120), 120)
        for part in ("random", "2 of 2", "15/30", "49.00 %", "0.875", "5 of 6 levels, about"):
            assert part in shown
        assert f"process {os.getpid()} on" in words(status_table([state], 200), 200)
    for width in (60, 80, 100, 140):
        assert max(map(len, words(run_view(state, width), width).splitlines())) <= width


def test_a_writer_that_died_does_not_count_as_running(short_copy):
    cut_off(short_copy)
    gone = {"host": os.uname().nodename, "pid": 2**22 + 1, "since": "2026-01-01T00:00:00+00:00"}
    (short_copy / OWNER).write_text(json.dumps(gone))
    assert run_state(RunDirectory.open(short_copy)).state == "stopped"


def test_a_damaged_page_and_a_failed_replicate_are_told(short_copy):
    directory = RunDirectory.open(short_copy)
    cut_off(short_copy)
    directory.note_failure("random", 0, "the loss became nan")
    state = run_state(directory)
    assert state.state == "finished"
    assert "1 of 2, 1 failed" in words(status_table([state], 200), 200)
    (short_copy / "imp" / "replicate_000" / "level_001" / "level.json").write_text("{")
    assert run_state(directory).state == "damaged"
    assert "damaged" in words(status_table([run_state(directory)], 200), 200)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"level": 1}', b"\xff\xfe"])
def test_a_half_written_progress_file_is_none(tmp_path, content):
    (tmp_path / PROGRESS).write_bytes(content)
    assert read_progress(tmp_path) is None


def test_progress_comes_back_is_forgotten_and_never_fails(tmp_path):
    write_progress(tmp_path, HALFWAY)
    assert read_progress(tmp_path) == HALFWAY
    forget_progress(tmp_path)
    forget_progress(tmp_path)
    assert read_progress(tmp_path) is None
    write_progress(tmp_path / "absent", HALFWAY)


def test_the_clock_is_due_at_once_for_a_level_and_then_not_for_a_second():
    clock = ProgressClock()
    assert [clock.is_due(0), clock.is_due(0), clock.is_due(1), clock.is_due(1)] == [True, False, True, False]


def test_a_run_shows_how_far_it_is_and_leaves_no_trace_of_that(tmp_path, short_recipe):
    seen, looked = [], threading.Event()
    long = short_recipe.model_copy(
        update={"training": short_recipe.training.model_copy(update={"steps": 1500})}
    )

    def look(directory):
        seen.append(run_state(directory))
        looked.set()

    run_recipe(long, tmp_path / "run", jobs=1, on_look=look)
    assert looked.is_set()
    training = [each.progress for state in seen for each in state.replicates if each.progress]
    assert training
    assert all(0 < progress.step <= 1500 and 0 < progress.density <= 1 for progress in training)
    assert seen[-1].state == "running"  # the writer is this process
    assert not list((tmp_path / "run").rglob(".progress*"))


def test_status_lists_the_runs_here(short_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["status"])
    assert exit_.value.code == 2
    assert "there is no run in runs/" in capsys.readouterr().err
    shutil.copytree(short_run, tmp_path / "runs" / "mine")
    with pytest.raises(SystemExit) as exit_:
        main(["status"])
    assert exit_.value.code == 0
    assert "runs/mine" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        main(["status", str(tmp_path / "runs"), "runs/mine"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.count("runs/mine") == 2


def test_durations_are_told_in_the_units_that_matter():
    told = [duration(seconds) for seconds in (0.4, 59.6, 3600, 86400 * 3 + 7300)]
    assert told == ["0 s", "1 min", "1 h", "3 d 2 h"]
