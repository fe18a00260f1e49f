"""Sweeps on a real Slurm of one node, which the test starts and ends."""

import os
import subprocess
import time
from pathlib import Path

import pytest
import submitit

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.sweep import SlurmOptions
from sparsight.sweep._directory import SweepDirectory
from sparsight.sweep._slurm import _mend, _parameters, submitted_jobs
from sparsight.sweep._slurm_options import minutes_of
from tests import toy
from tests.run.run_digests import digests
from tests.sweep.slurm_on_loopback import slurm, why_not

PLUGIN = Path(toy.__file__)
STEPS = 3000
SWEEP = f"""
recipe = "{Path(__file__).parents[1] / "plane.toml"}"
replicates = 1
[fixed]
measure.instruments = ["locality"]
pruning.max_levels = 1
training.steps = {STEPS}
training.kernel = "dense"
[grid]
pruning.rate = [0.2, 0.3]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = why_not()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs a Slurm: {reason}")
    if reason:
        pytest.skip(reason)
    with slurm(tmp_path_factory.mktemp("slurm"), max_array_size=3) as environment:
        yield environment


@pytest.fixture
def cli(cluster, tmp_path, monkeypatch, capsys):
    """Run the command line in this process, which takes less time than one for each call."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_CONF", cluster["SLURM_CONF"])

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["sweep", *arguments, "--plugin", str(PLUGIN)])
        captured = capsys.readouterr()
        assert ended.value.code == 0, captured.err
        return captured.out

    return call


def ask(environment, *command):
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def in_queue(environment):
    lines = ask(environment, "squeue", "--array", "--noheader", "--format=%i|%T").splitlines()
    return dict(line.strip().split("|") for line in lines)


def wait(condition, what, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not in {seconds} s: {what}")


@pytest.mark.slow
def test_jobs_requeued_signalled_or_cancelled_end_as_the_local_engine_does(cli, cluster, tmp_path):
    """Arrays of at most three; one job requeued by Slurm, one at its time limit, one cancelled, mid-level."""
    (tmp_path / "rates.toml").write_text(SWEEP)
    options = ["run", "rates.toml", "--engine", "slurm", "--time", "10", "--checkpoint-seconds", "1"]
    assert "submitted: 4 jobs" in cli(*options)
    sweep = SweepDirectory.open(tmp_path / "sweeps" / "rates")
    jobs = submitted_jobs(sweep)
    assert [job.partition("_")[2] for job in jobs] == ["0", "1", "2", ""]  # an array of three, and one

    def checkpoint(job):
        (replicate,) = jobs[job]
        folder = sweep.case(replicate.case).replicate(replicate.condition, replicate.replicate)
        return folder / "checkpoint.safetensors"

    requeued, signalled, cancelled, _last = jobs
    wait(checkpoint(requeued).is_file, "a checkpoint of the first job")
    ask(cluster, "scontrol", "requeue", requeued)
    wait(checkpoint(signalled).is_file, "a checkpoint of the second job")
    ask(cluster, "scancel", "--signal=USR1", signalled)  # what Slurm sends before the time limit
    wait(checkpoint(cancelled).is_file, "a checkpoint of the third job")
    saved = checkpoint(cancelled).stat().st_mtime_ns
    ask(cluster, "scancel", cancelled)
    wait(lambda: cancelled not in in_queue(cluster), "the end of the cancelled job")
    assert checkpoint(cancelled).stat().st_mtime_ns > saved

    wait(lambda: not in_queue(cluster), "an empty queue")
    states = sweep.states()
    assert [states[each] for replicates in jobs.values() for each in replicates] == [
        "finished",
        "finished",
        "begun",
        "finished",
    ]
    log = (sweep.path / "slurm" / "jobs" / f"{signalled}_0_log.out").read_text()
    assert f"{signalled}: queued again" in log
    assert "1 trainings to do" in (output := cli(*options))
    assert "submitted: 1 jobs" in output
    wait(lambda: not in_queue(cluster), "an empty queue")
    assert "submitted: 0 jobs" in cli(*options)
    assert {*sweep.states().values()} == {"finished"}

    cli("rates.toml", "--out", "local", "--jobs", "1")
    assert digests(sweep.path / "cases") == digests(tmp_path / "local" / "cases")


@pytest.mark.slow
def test_a_login_node_may_go_away(cli, cluster, tmp_path):
    """Another process, that knows the folder alone, sees the queue, cancels, and collects."""
    (tmp_path / "rates.toml").write_text(SWEEP.replace(str(STEPS), "30000000"))
    submit = ["run", "rates.toml", "--engine", "slurm"]
    assert "submitted: 2 jobs" in cli(*submit, "--replicates-per-job", "2", "--at-once", "1", "--cpus", "1")
    sweep = SweepDirectory.open("sweeps/rates")
    assert [len(replicates) for replicates in submitted_jobs(sweep).values()] == [2, 2]
    wait(lambda: "RUNNING" in in_queue(cluster).values(), "a running job")
    lines = [line.split() for line in cli("status", "sweeps/rates").splitlines()]
    header, *rows = [fields for fields in lines if len(fields) == 5 and fields[1][:1] in "p0"]
    assert header == ["case", "pruning.rate", "finished", "running", "waiting"]
    assert sum(int(row[3]) for row in rows) == 2 == sum(int(row[4]) for row in rows)
    assert "submitted: 0 jobs" in cli(*submit)
    output = cli("cancel", "sweeps/rates")
    assert f"cancelled: {' '.join(sorted(submitted_jobs(sweep)))}" in output
    wait(lambda: not in_queue(cluster), "an empty queue")
    assert "nothing was in the queue" in cli("cancel", "rates.toml")
    assert "results: sweeps/rates/results.csv" in cli("collect", "rates.toml")
    assert Path("sweeps/rates/results.csv").read_text().startswith("case,pruning.rate,condition,")


@pytest.mark.slow
def test_what_slurm_refuses_is_told_and_can_be_submitted_later(cli, cluster, tmp_path, monkeypatch):
    (tmp_path / "rates.toml").write_text(SWEEP)
    with pytest.raises(AssertionError, match="Slurm refused an array of 3 jobs: .*partition"):
        cli("run", "rates.toml", "--engine", "slurm", "--partition", "nowhere")
    assert submitted_jobs(SweepDirectory.open("sweeps/rates")) == {}
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AssertionError, match="scontrol is not installed here"):
        cli("run", "rates.toml", "--engine", "slurm")


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("30", 30), ("30:01", 31), ("2:30:00", 150), ("1-0", 1440), ("1-12:30", 2190), ("2-0:0:1", 2881)],
)
def test_time_limits_are_read_as_sbatch_reads_them(time, minutes):
    assert minutes_of(time) == minutes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": "soon"}, "--time is 'soon'"),
        ({"time": "0"}, "needs some time"),
        ({"time": "1:2:3:4"}, "give minutes"),
        ({"gpus": -1}, "--gpus is -1"),
        ({"replicates_per_job": 0}, "--replicates-per-job is 0"),
        ({"at_once": 0}, "--at-once is 0"),
        ({"sbatch": ("Account=a\n#SBATCH --x",)}, "is not of the form key=value"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        SlurmOptions(**options)


def sbatch_lines(tmp_path, **options):
    """The options in the script that submitit would hand to sbatch."""
    executor = submitit.SlurmExecutor(folder=tmp_path)
    executor.update_parameters(**_parameters("rates", 3, 1, SlurmOptions(**options)))
    text = executor._make_submission_file_text("true", "id")
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]


def test_no_wckey_is_sent_unless_the_user_gives_one(tmp_path, monkeypatch):
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", classmethod(lambda cls: 1))
    assert not [line for line in sbatch_lines(tmp_path) if "wckey" in line.partition("=")[0]]
    assert "--wckey=physics" in sbatch_lines(tmp_path, sbatch=("wckey=physics",))


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("sbatch: error: Batch job submission failed: Invalid wckey specification", "--sbatch wckey=NAME"),
        ("sbatch: error: unrecognized option '--wckey=submitit'", "--sbatch wckey=NAME"),
        ("Batch job submission failed: Invalid account or account/partition combination", "account=NAME"),
        ("sbatch: error: Invalid qos specification", "--sbatch qos=NAME"),
        ("sbatch: error: invalid partition specified: nowhere", "--partition NAME"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "--time asks for less"),
        ("Socket timed out on send/recv operation", ""),
    ],
)
def test_what_a_site_refuses_is_told_with_the_option_that_mends_it(reason, mend):
    assert mend in _mend(reason)
    assert bool(_mend(reason)) == bool(mend)
