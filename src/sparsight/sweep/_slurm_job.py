"""What one job of Slurm's does: its units, and, told that its time is up, save and queue again."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sparsight.run import Interrupted, load_plugins, stopping_on_signals
from sparsight.store import CHECKPOINT
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._replicate import run_replicate


def work_on(
    sweep: Path,
    units: Sequence[CaseReplicate],
    threads: int,
    plugins: Sequence[Path],
    checkpoint_seconds: float,
) -> list[str]:
    """Run units one after the other, each from where it was left.

    SIGUSR1 comes before the time limit: every unit saves where it is and the job queues itself again.
    SIGTERM comes when the job is cancelled, preempted or requeued by others: it saves, and leaves what
    becomes of the job to them.

    Parameters
    ----------
    sweep : Path
        Folder of the sweep.
    units : sequence of CaseReplicate
    threads, plugins, checkpoint_seconds
        As `sparsight.sweep._replicate.run_replicate`.

    Returns
    -------
    list of str
        How each unit ended.

    Raises
    ------
    SystemExit
        With the signal's number + 128, if one came; with 1 if a unit ended with an error.
    """
    load_plugins(plugins)
    before = _traces(sweep, units)
    ends: list[str] = []
    try:
        with TemporaryDirectory() as holder, stopping_on_signals(Path(holder)):
            for unit in units:
                outcome = run_replicate(
                    sweep,
                    unit,
                    threads=threads,
                    plugins=plugins,
                    checkpoint_seconds=checkpoint_seconds,
                    holder=Path(holder),
                )
                print(f"{unit}: {outcome.end} {outcome.message}", flush=True)
                ends.append(outcome.end)
    except Interrupted as interruption:
        if interruption.signal_number == signal.SIGUSR1:
            if _traces(sweep, units) == before:
                print("no step was done in this job's time: a longer --time is needed; not queued again")
            else:
                _queue_again()
        raise SystemExit(128 + interruption.signal_number) from None
    if "error" in ends:
        raise SystemExit(1)
    return ends


def _traces(sweep: Path, units: Sequence[CaseReplicate]) -> list[tuple[int, int]]:
    """Return what changes with every step that is saved: levels, and the time of the checkpoint."""
    traces = []
    for unit in units:
        directory = SweepDirectory(sweep).case(unit.case)
        checkpoint = directory.replicate(unit.condition, unit.replicate) / CHECKPOINT
        saved = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
        traces.append((directory.num_levels(unit.condition, unit.replicate), saved))
    return traces


def _queue_again() -> None:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    print(f"{job}: {answer.stderr.strip() or 'queued again'}", flush=True)
