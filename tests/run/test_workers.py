"""Workers that are killed, run out of memory, or lose their owner.

Source files: `run/_workers.py`, `run/_memory.py`, `run/_runner.py`, `sweep/_local.py`, `sweep/_replicate.py`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from sparsight.errors import InputError, UnfinishedError
from sparsight.recipe import load_recipe
from sparsight.run import WorkerDeath, Workers, _workers, lacks_memory, run_recipe
from sparsight.run._stopping import out_of_reach_of_signals
from sparsight.store import RunDirectory, check_run
from tests.run.run_digests import digests
from tests.short_runs import PLANE, SHORT

DEADLY = '''
import os, signal
from pathlib import Path
from sparsight.prune import criterion

@criterion("deadly")
def deadly(trained):
    """Random scores; the process of one level is killed once, or gets no memory."""
    mark = Path(__file__).with_name("mark")
    if trained.level == 1 and mark.exists():
        how = mark.read_text()
        mark.unlink()
        if how == "memory":
            raise MemoryError
        os.kill(os.getpid(), signal.SIGKILL)
    import torch
    return {name: torch.arange(mask.numel()).reshape(mask.shape) for name, mask in trained.masks.items()}
'''


def squared(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        os._exit(7)
    if number == -1:
        raise InputError("negative")
    return number * number


@pytest.mark.slow
def test_killed_workers_lose_their_own_item_and_the_others_go_on():
    with Workers(2, squared) as workers:
        found = dict(workers.work_through(range(7)))
        assert found[3] == WorkerDeath("SIGKILL(-9)")
        assert "SIGKILL" in str(found[3])
        assert "memory" in str(found[3])
        assert found[4] == WorkerDeath("EXIT(7)")
        assert {item: found[item] for item in (0, 1, 2, 5, 6)} == {0: 0, 1: 1, 2: 4, 5: 25, 6: 36}
        assert dict(workers.work_through([8])) == {8: 64}  # another wave, with the same workers
        called = []
        with pytest.raises(InputError, match="negative"):
            list(workers.work_through([-1, 2], on_error=lambda: called.append(1)))
        assert called


def signal_sets(process="self"):
    """Return which signals a process blocks and ignores, as sets of numbers."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split(":")[1] for line in lines}
    return [
        {number for number in range(1, 65) if int(values[name], 16) >> (number - 1) & 1}
        for name in ("SigBlk", "SigIgn")
    ]


def note_blocked(_):
    signal_sets.at_start = signal_sets()[0]


def blocked_at_start(_):
    return signal_sets.at_start


SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP}
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")


@needs_proc
@pytest.mark.slow
def test_workers_are_out_of_reach_of_signals_from_their_start_on(monkeypatch):
    def of_workers(call):
        with Workers(2, call) as workers:
            return [found for _, found in workers.work_through(range(2))]

    for blocked, ignored in of_workers(call=lambda _: signal_sets()):
        assert ignored >= SIGNALS
        assert not blocked & SIGNALS  # what they begin can be ended
    monkeypatch.setattr(_workers, "_begin", note_blocked)
    for blocked in of_workers(call=blocked_at_start):
        assert blocked >= SIGNALS
    assert not signal_sets()[0] & SIGNALS


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_while_workers_are_begun_is_not_lost(number):
    """Other threads run meanwhile, such as that of the heartbeat, and may be the ones to receive it."""
    received, is_over = [], threading.Event()
    before = signal.signal(number, lambda *_: received.append(1))
    thread = threading.Thread(target=is_over.wait)
    thread.start()
    try:
        with out_of_reach_of_signals():
            os.kill(os.getpid(), number)
        for _ in range(100):
            if received:
                break
            time.sleep(0.01)
    finally:
        is_over.set()
        thread.join()
        signal.signal(number, before)
    assert received == [1]


def test_one_job_is_done_by_this_process():
    with Workers(1, lambda _: os.getpid()) as workers:
        assert dict(workers.work_through("ab")) == {"a": os.getpid(), "b": os.getpid()}


def test_what_says_that_memory_ran_out():
    assert lacks_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.int8)
    assert lacks_memory(caught.value)
    assert lacks_memory(torch.OutOfMemoryError())
    assert not lacks_memory(RuntimeError("shapes differ"))


@pytest.fixture
def deadly(tmp_path, monkeypatch):
    """A plug-in whose criterion kills one process if the mark is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deadly.py").write_text("from tests import toy\n" + DEADLY)
    return tmp_path


IN_A_PROCESS = """
import sys
from pathlib import Path
from sparsight.cli import main
main(sys.argv[1:])
"""


def call(folder, *arguments):
    command = [sys.executable, "-c", IN_A_PROCESS, *arguments, "--plugin", "deadly.py"]
    # the plug-in imports `tests`, which only the directory that pytest was started in has
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def run_arguments(out):
    overrides = (*SHORT, "pruning.criterion=deadly")
    return (
        "run",
        str(PLANE),
        "--out",
        out,
        "--jobs",
        "2",
        *(a for each in overrides for a in ("--set", each)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "memory"])
def test_a_run_names_the_replicate_that_was_lost_and_ends_the_others(deadly, how):
    undisturbed = call(deadly, *run_arguments("expected"))
    assert undisturbed.returncode == 0, undisturbed.stderr
    (deadly / "mark").write_text(how)
    found = call(deadly, *run_arguments("run"))
    assert found.returncode == 2
    line = found.stderr.strip().splitlines()[-1]
    assert "imp, replicate 0 has 1 levels stored: its process" in line
    assert ("was killed (SIGKILL)" if how == "killed" else "ran out of memory") in line
    assert "random, replicate" not in line
    assert "to use less memory: fewer processes with --jobs" in line
    assert "Traceback" not in found.stderr
    assert call(deadly, *run_arguments("run")).returncode == 0
    assert digests(deadly / "run") == digests(deadly / "expected")


@pytest.mark.slow
def test_a_sweep_names_the_replicate_that_was_lost_and_ends_the_others(deadly):
    (deadly / "plane.toml").write_text(PLANE.read_text())
    (deadly / "rates.toml").write_text(
        'recipe = "plane.toml"\nreplicates = 1\n[grid]\npruning.rate = [0.2, 0.3]\n'
        "[fixed]\nmeasure.instruments = ['locality']\nconditions.imp.pruning.criterion = 'deadly'\n"
    )
    (deadly / "mark").write_text("killed")
    found = call(deadly, "sweep", "rates.toml", "--jobs", "2")
    assert found.returncode == 1, found.stderr
    (line,) = (line for line in found.stdout.splitlines() if ": error: " in line)
    assert "imp, replicate 0: error: its process was killed (SIGKILL)" in line
    assert "1 stored levels are whole" in line
    assert found.stdout.count(": finished") == 3
    again = call(deadly, "sweep", "rates.toml", "--jobs", "2")
    assert again.returncode == 0, again.stdout
    assert again.stdout.count(": finished") == 1


ORPHANS = """
import os, sys, time
from sparsight.run import Workers

def stuck(_):
    print(os.getpid(), flush=True)
    time.sleep(600)

def idle(_):
    return os.getpid()

with Workers(2, {call}) as workers:
    for _, pid in workers.work_through([0, 1]):
        print(pid, flush=True)
    print("waiting", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["stuck", "idle"])
def test_workers_end_soon_after_their_owner(state, tmp_path):
    """Even those that are idle, or within a step that takes an hour."""
    (tmp_path / "script.py").write_text(ORPHANS.format(call=state))
    process = subprocess.Popen(
        [sys.executable, "-u", tmp_path / "script.py"], stdout=subprocess.PIPE, text=True
    )
    workers = [int(process.stdout.readline()) for _ in range(1 if state == "idle" else 2)]
    process.kill()
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 60
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_that_was_stopped_by_nobody_is_not_called_finished(tmp_path, monkeypatch):
    """As when another container's request to stop was taken for one's own."""
    monkeypatch.setattr("sparsight.run._step_watch.is_stop_requested", lambda _request: True)
    with pytest.raises(UnfinishedError, match=r"imp, replicate 0 has 0 levels stored; random, replicate 0"):
        run_recipe(load_recipe(PLANE, SHORT), tmp_path / "run", jobs=1)
    whole, replicates = check_run(RunDirectory.open(tmp_path / "run"))
    assert not whole
    assert all(not health.problems for health in replicates)
