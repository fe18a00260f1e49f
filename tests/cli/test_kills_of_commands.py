"""SIGKILL at random moments of every command that writes: nothing half-written, and the same end.

``pytest tests/run/test_kills.py tests/cli/test_kills_of_commands.py --kills 200`` kills a run 200 times, and
the commands of this file 200 times in all. In two of three kills of a sweep, its workers survive it and must
end by themselves.
Source files: `store/_level_files.py`, `store/_lock.py`, `sweep/_directory.py`, `run/_workers.py`,
`atomic.py`.
"""

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparsight.atomic import is_temporary
from sparsight.run import run_recipe
from sparsight.store import RECIPE, RunDirectory, check_run, open_run
from sparsight.sweep._directory import SweepDirectory
from tests.run.run_digests import digests

PLUGIN = Path(__file__).parents[1] / "toy.py"  # not imported: children load it as a plug-in
SWEEP = """
recipe = "plane.toml"
[grid]
pruning.rate = [0.2, 0.3]
[fixed]
measure.instruments = ['locality']
pruning.max_levels = 1
training.steps = 300
replicates = 1
"""
NUM_COMMANDS = 9
LONGEST = 1.1
"""Latest moment of a kill, in durations of the command."""
KILLS_UNTIL_TWICE = 20
"""Kills in a row after which the latest moment is one duration later."""
SAID = "said.txt"
"""What the commands printed, in the folder in which they were called."""


def call(folder, arguments):
    """Be the command: in a session of its own, as its terminal would start it."""
    os.setsid()
    os.chdir(folder)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    from sparsight.cli import main
    from sparsight.run import load_plugins

    load_plugins([PLUGIN])
    main(arguments)


@dataclass(frozen=True)
class Command:
    """A command, what of its outputs must be the same in the end, and what must hold after every kill."""

    arguments: tuple[str, ...]
    outputs: str = ""

    def found(self, folder):
        """Return digests of its outputs, unfinished ones excepted."""
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.glob(self.outputs))
            if path.is_file() and not is_temporary(path)
        }


LOOKING = {
    "report": Command(("report", "run"), "run/report.html"),
    "figures": Command(("figures", "run", "--format", "svg,png"), "run/figures/*"),
    "movie": Command(("movie", "run"), "run/*.gif"),
    "export": Command(("export", "run", "--out", "level.safetensors"), "level.safetensors"),
    "hub": Command(("export", "run", "--format", "hub", "--out", "hub"), "hub/*"),
    "collect": Command(("sweep", "collect", "sweeps/rates", "--plugin", str(PLUGIN)), "sweeps/rates/*.csv"),
    "draw": Command(
        ("sweep", "draw", "sweeps/rates", "pruning.rate", "network.widths", "--plugin", str(PLUGIN)),
        "sweeps/rates/*.png",
    ),
}


@pytest.fixture(scope="module")
def server():
    """A server that has loaded what the commands load: its children spend their lives on the command."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["sparsight.cli.views._summary", "sparsight.report", "sparsight.run", "sparsight.sweep._local",
         "sparsight.interchange", "torch._dynamo", "matplotlib.backends.backend_agg"]
    )  # fmt: skip
    return context


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, short_recipe):
    """A run, and a sweep of two cases with two varied fields, both finished."""
    from sparsight.sweep import plan_sweep, run_sweep

    folder = tmp_path_factory.mktemp("workplace")
    run_recipe(short_recipe, folder / "run", jobs=1)
    shutil.copy(Path(__file__).parents[1] / "plane.toml", folder)
    text = SWEEP.replace("[fixed]", "network.widths = [[8]]\n[fixed]").replace("300", "10")
    (folder / "rates.toml").write_text(text)
    run_sweep(plan_sweep(folder / "rates.toml", folder / "sweeps" / "rates"), jobs=1)
    return folder


class Killer:
    """Starts a command again and again, and kills it until it has been killed often enough."""

    def __init__(self, server, folder, arguments, seed, workers_survive=False):
        self.server, self.folder, self.arguments = server, folder, list(arguments)
        self.moments, self.workers_survive = random.Random(seed), workers_survive
        self.num_kills = self.num_kills_in_a_row = 0

    def start(self):
        child = self.server.Process(target=call, args=(self.folder, self.arguments))
        child.start()
        return child

    def duration(self):
        """Run the command to its end, and return the seconds that it took."""
        self.start().join()  # starts the server
        began = time.monotonic()
        child = self.start()
        child.join()
        assert child.exitcode == 0, (self.folder / SAID).read_text()
        return time.monotonic() - began

    def reaches_the_end(self, duration):
        """Start the command, kill it at a random moment, and return whether it had ended before.

        Moments go beyond the duration of an undisturbed command: one that begins anew after a kill, such as
        `measure`, would else hardly ever end. On a machine that has become slower, every kill adds to them.
        """
        child = self.start()
        longest = duration * (LONGEST + self.num_kills_in_a_row / KILLS_UNTIL_TWICE)
        child.join(timeout=self.moments.uniform(0, longest))
        if child.exitcode is not None:
            assert child.exitcode == 0, (self.folder / SAID).read_text()
            self.num_kills_in_a_row = 0
            return True
        group = os.getpgid(child.pid) if not self.workers_survive or self.moments.random() < 1 / 3 else None
        if group is not None and group != os.getpgid(0) and group == child.pid:
            os.killpg(group, signal.SIGKILL)
        else:
            child.kill()
        child.join()
        self.num_kills += 1
        self.num_kills_in_a_row += 1
        return False


def enough(request):
    return -(-request.config.getoption("--kills") // NUM_COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOOKING)
def test_what_a_killed_command_leaves_is_whole_or_absent(server, workplace, tmp_path, request, name):
    command = LOOKING[name]
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    killer = Killer(server, tmp_path, command.arguments, seed=name)
    duration = killer.duration()
    expected = command.found(tmp_path)
    assert expected
    while killer.num_kills < enough(request):
        for path in expected:
            (tmp_path / path).unlink(missing_ok=True)
        while not killer.reaches_the_end(duration):
            assert command.found(tmp_path).items() <= expected.items()
            assert all(health.problems == () for health in check_run(RunDirectory.open(tmp_path / "run"))[1])
        assert command.found(tmp_path) == expected
    print(f"{name}: {killer.num_kills} kills")


@pytest.mark.slow
def test_killed_measuring_leaves_every_level_whole(server, workplace, tmp_path, request):
    """With the former measures or the new ones, and always with those of other instruments."""
    expected = None
    killer = Killer(
        server, tmp_path, ("measure", "run", "--instruments", "initialisation", "--plugin", str(PLUGIN)), 3
    )
    while killer.num_kills < enough(request):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        shutil.copytree(workplace / "run", tmp_path / "run")
        if expected is None:
            duration = killer.duration()
            expected = digests(tmp_path / "run")
            continue
        while not killer.reaches_the_end(duration):
            whole, replicates = check_run(RunDirectory.open(tmp_path / "run"))
            assert not whole
            assert all(health.problems == () and health.is_finished for health in replicates)
            opened = open_run(tmp_path / "run")
            for condition, replicate in opened.directory.replicates():
                for index in range(3):
                    quantities = opened.measures(condition, replicate, index)["linear_0"]
                    assert "locality.near" in quantities
        assert digests(tmp_path / "run") == expected
    print(f"measure: {killer.num_kills} kills")


@pytest.mark.slow
def test_a_killed_sweep_of_two_workers_ends_bit_for_bit(server, workplace, tmp_path, request):
    arguments = (
        "sweep",
        "rates.toml",
        "--jobs",
        "2",
        "--checkpoint-seconds",
        "0.02",
        "--plugin",
        str(PLUGIN),
    )
    shutil.copy(workplace / "plane.toml", tmp_path)
    (tmp_path / "rates.toml").write_text(SWEEP.replace("replicates = 1\n", ""))
    killer = Killer(server, tmp_path, arguments, 5, workers_survive=True)
    folder, expected = tmp_path / "sweeps", None
    while killer.num_kills < enough(request):
        shutil.rmtree(folder, ignore_errors=True)
        if expected is None:
            child = killer.start()
            began = time.monotonic()
            child.join()
            assert child.exitcode == 0, (tmp_path / SAID).read_text()
            duration, expected = time.monotonic() - began, digests(folder / "rates" / "cases")
            continue
        while not killer.reaches_the_end(duration):
            for case in (folder / "rates" / "cases").glob(f"*/{RECIPE}"):
                whole, replicates = check_run(RunDirectory.open(case.parent))
                assert not whole
                assert all(health.problems == () for health in replicates)
            if (folder / "rates" / "sweep.json").exists():
                SweepDirectory.open(folder / "rates").states()
        assert digests(folder / "rates" / "cases") == expected
    print(f"sweep: {killer.num_kills} kills")
