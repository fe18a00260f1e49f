"""Signals before anything has begun: one line and the exit status, whatever is being imported."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparsight.cli import main
from sparsight.cli._signals import STOPPED, Stopped, answering_signals
from tests import toy

PLANE = Path(__file__).parents[1] / "plane.toml"
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 138, signal.SIGHUP: 129}

# Says on stdout when `main` has been called, which is as early as the program itself can answer.
ANNOUNCED = """
import sys, sparsight.cli as cli
from sparsight.cli import _signals
wrapped = _signals.answering_signals.__wrapped__
import contextlib
@contextlib.contextmanager
def announcing():
    with contextlib.contextmanager(wrapped)():
        print("ready", flush=True)
        yield
cli.answering_signals = announcing
cli.main()
"""


@pytest.fixture(autouse=True)
def default_signals():
    """Restore signals, which children would inherit ignored from ``nohup`` or a background shell."""
    before = {number: signal.getsignal(number) for number in STATUSES}
    for number in before:
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def started(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", ANNOUNCED, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def run_command(path, jobs=1):
    overrides = ("--set", "training.steps=100000", "--set", "measure.instruments=['locality']")
    return ("run", PLANE, "--plugin", toy.__file__, "--out", path, "--jobs", jobs, *overrides)


@pytest.mark.slow
@pytest.mark.parametrize("number", STATUSES)
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.5, 1.0, 2.0, 4.0, 7.0])
def test_a_signal_to_the_group_in_the_first_seconds_is_one_line(tmp_path, number, delay):
    process = started(*run_command(tmp_path / "run", jobs=2))
    time.sleep(delay)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=120)
    assert errors == f"sparsight: {STOPPED}\n"
    assert process.returncode == STATUSES[number]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay", [0.0, 0.5, 2.0])
def test_a_signal_to_the_group_while_workers_start_reaches_the_owner_alone(tmp_path, number, delay):
    """A worker that died of it would break the pool, and the owner would end with a traceback."""
    process = started(*run_command(tmp_path / "run", jobs=2))
    while not (tmp_path / "run" / ".writer.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=240)
    assert errors == f"sparsight: {STOPPED}\n"
    assert process.returncode == STATUSES[number]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [("report",), ("sweep", "status"), ("measure",), ("figures",)])
def test_every_command_answers_while_it_imports(tmp_path, number, command):
    process = started(*command, tmp_path)
    time.sleep(0.1)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=120)
    # A command may have ended before the signal came: then it said what was wrong with an empty folder.
    if process.returncode != 2:
        assert errors == f"sparsight: {STOPPED}\n"
        assert process.returncode == STATUSES[number]


@pytest.mark.parametrize("number", STATUSES)
def test_a_signal_between_two_steps_of_a_command_ends_it_in_one_line(monkeypatch, capsys, number):
    from sparsight.cli import _catalogue

    monkeypatch.setattr(_catalogue, "terminal", lambda: signal.raise_signal(number))
    with pytest.raises(SystemExit) as ended:
        main(["recipes"])
    assert ended.value.code == STATUSES[number]
    assert capsys.readouterr().err == f"sparsight: {STOPPED}\n"


@pytest.mark.parametrize("number", STATUSES)
def test_handlers_are_given_back(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, answering_signals():
        signal.raise_signal(number)
    assert caught.value.signal_number == number
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with answering_signals():
        signal.raise_signal(signal.SIGHUP)
