"""One Slurm job: runs its replicates and, shortly before its time limit, saves and queues again.

See docs/decisions.md, "Slurm jobs requeue themselves on SIGUSR1 only".
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sparsight.printable import printable
from sparsight.run import Execution, Interrupted, load_plugins, stop_request_in, stopping_on_signals
from sparsight.store import CHECKPOINT
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._replicate import run_replicate


def work_on(
    replicates: Sequence[CaseReplicate],
    *,
    sweep: Path,
    threads: int,
    plugins: Sequence[Path],
    checkpoint_seconds: float,
    accept_changes: bool = False,
) -> list[str]:
    """Run replicates one after the other, each from where it was left, and return how each ended.

    The job exits with the signal's number + 128 if one came, and with 1 if a replicate ended with an error.
    """
    load_plugins(plugins)
    before = _traces(sweep, replicates)
    ends: list[str] = []
    try:
        with TemporaryDirectory() as folder, stopping_on_signals(request := stop_request_in(Path(folder))):
            execution = Execution(
                threads=threads,
                plugins=tuple(plugins),
                checkpoint_seconds=checkpoint_seconds,
                stop_request=request,
                accept_changes=accept_changes,
            )
            for replicate in replicates:
                outcome = run_replicate(sweep, execution, replicate)
                print(printable(f"{replicate}: {outcome.end} {outcome.message}"), flush=True)
                ends.append(outcome.end)
    except Interrupted as interruption:
        # Only SIGUSR1 means that the time is up. SIGTERM comes when the job is cancelled, preempted or
        # requeued by others: a cancelled job must not come back, and the others Slurm queues again itself.
        if interruption.signal_number == signal.SIGUSR1:
            # A job whose time does not suffice for one step would queue itself again for ever.
            if _traces(sweep, replicates) == before:
                print("no step was done in this job's time: give it a longer --time; not queued again")
            else:
                _queue_again()
        raise SystemExit(128 + interruption.signal_number) from None
    if "error" in ends:
        raise SystemExit(1)
    return ends


def _traces(sweep: Path, replicates: Sequence[CaseReplicate]) -> list[tuple[int, int]]:
    """Return what changes with every saved step: the number of levels, and the time of the checkpoint."""
    traces = []
    for each in replicates:
        directory = SweepDirectory(sweep).case(each.case)
        checkpoint = directory.replicate(each.condition, each.replicate) / CHECKPOINT
        saved = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
        traces.append((directory.num_levels(each.condition, each.replicate), saved))
    return traces


def _queue_again() -> None:
    # The number of an array alone would requeue all its jobs.
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    print(printable(f"{job}: {answer.stderr.strip() or 'queued again'}"), flush=True)
