"""One writer at a time, whatever becomes of the others."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from sparsight.atomic import temporary_beside
from sparsight.errors import BusyError, InputError
from sparsight.store import _lock as lock, exclusive_writing
from sparsight.store._lock import (
    LOCK,
    OWNER,
    STALE_SECONDS,
    Owner,
    owner_of,
    wait_for_workers,
    working_in,
    writer_lives,
)

HOLDER = """
import sys, time
from pathlib import Path
from sparsight.store._lock import exclusive_writing
with exclusive_writing(Path(sys.argv[1])):
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the right to write to `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.communicate()


def foreign_owner(folder, age):
    """What a writer on another host would leave, touched `age` seconds ago by the file system's clock."""
    folder.joinpath(OWNER).write_text(
        json.dumps({"host": "node17", "pid": 4711, "since": "2026-01-01T00:00:00+00:00"})
    )
    folder.joinpath(LOCK).touch()
    now = folder.joinpath(LOCK).stat().st_mtime
    os.utime(folder / OWNER, (now - age, now - age))


def test_the_second_writer_is_told_who_where_and_since_when(tmp_path, holder):
    expected = rf"is being written by process {holder.pid} on {socket.gethostname()} since 20\d\d-"
    with pytest.raises(BusyError, match=expected), exclusive_writing(tmp_path):
        pass


def test_a_writer_that_was_killed_is_replaced_at_once_and_this_is_said(tmp_path, holder, caplog):
    holder.kill()
    holder.wait()
    with exclusive_writing(tmp_path):
        assert owner_of(tmp_path).pid == os.getpid()
    assert f"process {holder.pid} on {socket.gethostname()}" in caplog.text
    assert "ended without releasing the lock; the lock is taken over" in caplog.text
    assert owner_of(tmp_path) is None


def test_a_writer_on_another_host_is_left_alone_while_its_heart_beats(tmp_path):
    foreign_owner(tmp_path, age=STALE_SECONDS / 2)
    with (
        pytest.raises(BusyError, match=r"process 4711 on node17 since .*no sign of life for 60 s"),
        exclusive_writing(tmp_path),
    ):
        pass
    assert owner_of(tmp_path).host == "node17"


def test_a_writer_on_another_host_is_replaced_when_its_heart_has_stopped(tmp_path, caplog):
    foreign_owner(tmp_path, age=STALE_SECONDS + 1)
    with exclusive_writing(tmp_path):
        assert owner_of(tmp_path).pid == os.getpid()
    assert "node17" in caplog.text


@pytest.mark.parametrize("beats", [False, True])
def test_after_the_clock_was_set_back_the_heart_itself_is_listened_to(tmp_path, monkeypatch, beats):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if beats:
            os.utime(tmp_path / OWNER)

    monkeypatch.setattr(lock.time, "sleep", sleep)
    foreign_owner(tmp_path, age=-3600)
    if beats:
        with pytest.raises(BusyError, match="is being written by process 4711"), exclusive_writing(tmp_path):
            pass
    else:
        with exclusive_writing(tmp_path):
            assert owner_of(tmp_path).pid == os.getpid()
    assert slept == [10.0]


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with exclusive_writing(tmp_path):
        os.utime(tmp_path / OWNER, (0, 0))
        for _ in range(500):
            if (tmp_path / OWNER).stat().st_mtime > 0:
                break
            threading.Event().wait(0.01)
        assert (tmp_path / OWNER).stat().st_mtime > 0


def test_who_lost_the_right_is_stopped_and_told_and_leaves_the_new_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    stopped = threading.Event()

    def lose_it():
        with exclusive_writing(tmp_path, on_lost=stopped.set):
            foreign_owner(tmp_path, age=0)
            assert stopped.wait(10)

    with pytest.raises(InputError, match=r"was taken over by process 4711 on node17"):
        lose_it()
    assert owner_of(tmp_path).host == "node17"


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"), exclusive_writing(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def container(folder, kernel="here", **facts):
    """What a writer with our own process number and host name leaves, in another container or machine."""
    mine = Owner.this_process()
    owner = {"host": mine.host, "pid": mine.pid, "since": "2026-01-01T00:00:00+00:00"}
    owner["kernel"] = mine.kernel if kernel == "here" else kernel
    folder.joinpath(OWNER).write_text(json.dumps(owner | {"processes": "pid:[1]"} | facts))
    folder.joinpath(LOCK).touch()


def test_a_container_on_another_machine_is_not_taken_for_this_process(tmp_path):
    """Host name and process number are ours; locks may not reach there, so its heart decides."""
    container(tmp_path, kernel="00000000-0000-0000-0000-000000000000")
    with pytest.raises(BusyError, match="no sign of life"), exclusive_writing(tmp_path):
        pass
    assert writer_lives(tmp_path)


def test_a_container_on_this_machine_is_known_by_its_lock_and_not_by_its_number(tmp_path):
    container(tmp_path, pid=2**22 + 1)  # no process here has this number
    assert writer_lives(tmp_path)
    os.utime(tmp_path / OWNER, (0, 0))
    assert not writer_lives(tmp_path)
    os.utime(tmp_path / OWNER)
    with exclusive_writing(tmp_path):  # the lock was free, so that its writer is dead
        assert owner_of(tmp_path).pid == os.getpid()


@pytest.mark.parametrize("content", ["[]", "null", "[" * 10**5, '{"host": 1}', "\x00"])
def test_a_writer_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / OWNER).write_text(content)
    assert owner_of(tmp_path) is None
    with exclusive_writing(tmp_path):
        pass


def test_temporary_names_differ_though_the_process_is_one(tmp_path):
    assert len({temporary_beside(tmp_path / "a") for _ in range(50)}) == 50


WORKER = """
import sys, time
from pathlib import Path
from sparsight.store._lock import working_in
with working_in([Path(sys.argv[1])]):
    print("holding", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_the_next_owner_waits_for_workers_of_the_one_before(tmp_path, monkeypatch):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), "60"], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout.readline() == "holding\n"
    try:
        monkeypatch.setattr(lock, "SECONDS_FOR_ORPHANS", 0.2)
        with pytest.raises(BusyError, match="a worker of a process that is gone"):
            wait_for_workers([tmp_path])
        with pytest.raises(BusyError, match="a worker of a process that is gone"), working_in([tmp_path]):
            pass
        monkeypatch.setattr(lock, "SECONDS_FOR_ORPHANS", 60.0)
        threading.Timer(0.5, worker.kill).start()
        wait_for_workers([tmp_path])
        assert worker.wait(1) < 0  # it was waited for
    finally:
        worker.kill()
        worker.communicate()
