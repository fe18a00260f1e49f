"""Runs killed, interrupted by signals, or left by their terminal: resumed, they end as if undisturbed.

Source files: tests/run/README.md.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sparsight.store import CHECKPOINT
from sparsight.store._progress_file import PROGRESS
from tests import toy
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"


@pytest.fixture(autouse=True)
def default_signals():
    """Restore signals, which children would inherit ignored from ``nohup`` or a background shell."""
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def command(path, jobs, steps=500, checkpoint_seconds=0.1):
    overrides = [
        f"training.steps={steps}",
        "pruning.max_levels=3",
        "measure.instruments=['locality']",
    ]
    arguments = [
        "run",
        PLANE,
        "--plugin",
        toy.__file__,
        "--out",
        path,
        "--jobs",
        jobs,
        "--checkpoint-seconds",
        checkpoint_seconds,
    ]
    for override in overrides:
        arguments += ["--set", override]
    return [sys.executable, "-m", "sparsight.cli", *map(str, arguments)]


def start(path, jobs, errors=subprocess.PIPE):
    options = {"start_new_session": True, "stdout": subprocess.DEVNULL, "stderr": errors, "text": True}
    return subprocess.Popen(command(path, jobs), **options)


def wait_until(condition, process):
    for _ in range(2400):
        if condition():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("nothing happened in two minutes")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    began = time.monotonic()
    subprocess.run(command(path, 1), check=True, capture_output=True)
    return path, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_is_resumed_bit_for_bit(undisturbed, tmp_path, seed):
    """SIGKILL at a random moment, twice; then the same command to the end."""
    expected, duration = undisturbed
    moments = random.Random(seed)
    for _ in range(2):
        process = start(tmp_path / "run", 1)
        try:
            process.wait(timeout=moments.uniform(0.3, 0.95) * duration)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    subprocess.run(command(tmp_path / "run", 1), check=True, capture_output=True)
    assert digests(tmp_path / "run") == digests(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]
)
def test_an_interrupted_run_says_how_to_resume_it(undisturbed, tmp_path, number, status):
    expected, duration = undisturbed
    process = start(tmp_path / "run", 1)
    wait_until(lambda: (tmp_path / "run" / ".writer.json").exists(), process)
    time.sleep(0.05 * duration)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.strip() == "sparsight: stopped; the same command resumes it"
    subprocess.run(command(tmp_path / "run", 1), check=True, capture_output=True)
    assert digests(tmp_path / "run") == digests(expected)


@pytest.mark.slow
def test_workers_whose_owner_is_killed_stop_writing(tmp_path):
    """Only the owner is killed: its workers must not keep writing beside the next owner."""
    path = tmp_path / "run"
    process = start(path, 2, errors=subprocess.DEVNULL)  # workers would hold a pipe open
    wait_until(lambda: list(path.glob("*/replicate_*/task.json")), process)
    process.kill()
    process.wait(timeout=10)
    time.sleep(3)
    before = sorted(path.rglob("level.json"))
    time.sleep(3)
    assert sorted(path.rglob("level.json")) == before
    assert len(before) < 4 * 4


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_whose_terminal_goes_away_saves_where_it_is(tmp_path, jobs):
    """The kernel sends SIGHUP to every process of the terminal, and refuses what they print from then on."""
    path = tmp_path / "run"
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    on_terminal = 'exec "$@" <"$0" >"$0" 2>&1'  # the first terminal that a session opens controls it
    process = subprocess.Popen(
        ["sh", "-c", on_terminal, os.ttyname(theirs), *command(path, jobs, 10**6, checkpoint_seconds=10**6)],
        start_new_session=True,
    )

    def all_train():
        with suppress(BlockingIOError, OSError):
            os.read(ours, 2**16)  # a terminal that nobody reads would block the run
        return len(list(path.glob(f"*/replicate_*/{PROGRESS}"))) == jobs

    try:
        wait_until(all_train, process)
        os.close(theirs)
        os.close(ours)
        process.wait(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert len(list(path.glob(f"*/replicate_*/{CHECKPOINT}"))) == jobs
    assert not (path / ".writer.json").exists()


@pytest.mark.slow
def test_nohup_keeps_the_run_when_the_terminal_goes_away(tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen(
        ["nohup", *command(path, 1)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: list(path.glob(f"*/replicate_*/{PROGRESS}")), process)
    os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert (path / "report.html").exists()
