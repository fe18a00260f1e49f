"""Sweeps on Slurm: submit replicates as job arrays, ask the queue for them, cancel them."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sparsight.errors import InputError
from sparsight.recipe import masks_of
from sparsight.run import THREAD_VARIABLES, Placement, place
from sparsight.store import exclusive_writing, read_sealed, write_sealed
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._local import SweepPlan
from sparsight.sweep._slurm_job import work_on
from sparsight.sweep._slurm_options import SlurmOptions, minutes_of

_Item = TypeVar("_Item")
_FOLDER, _JOBS = "slurm", "jobs.json"
_SECONDS_TO_SAVE = 120
"""Before its time limit, when a job receives SIGUSR1, saves where it is and queues again. A checkpoint takes
seconds, but a step of a large network may be under way, and a shared file system may be slow."""

_RUNNING = {"RUNNING", "COMPLETING", "CONFIGURING", "SIGNALING", "STAGE_OUT", "SUSPENDED"}
_MENDS = {
    "wckey": "--sbatch wckey=NAME names one that this site knows; none is sent otherwise",
    "account": "--sbatch account=NAME names one that you may use",
    "qos": "--sbatch qos=NAME names one that you may use",
    "partition": "--partition NAME names one of sinfo's",
    "time limit": "--time asks for less",
}
"""What Slurm's refusals speak of → which option mends that."""

_IDS_A_CALL = 500
"""Job numbers in one call of ``scancel``: a command line may not become arbitrarily long."""


def submit_jobs(
    plan: SweepPlan,
    options: SlurmOptions,
    *,
    plugins: Sequence[str | Path] = (),
    checkpoint_seconds: float = 600.0,
    accept_changes: bool = False,
) -> dict[str, list[CaseReplicate]]:
    """Submit the replicates of a sweep that have not ended and are not in the queue, and return at once.

    No process needs to stay on this machine: a job resumes without help after preemption and at its time
    limit, and the other functions of this module work wherever the folder and Slurm can be reached.

    Parameters
    ----------
    plugins, checkpoint_seconds, accept_changes
        As for `sparsight.run.run_recipe`.

    Returns
    -------
    dict
        Replicates by the job that runs them.

    Raises
    ------
    InputError
        If Slurm is not installed here or refuses. Jobs that it accepted before that stay in the queue. Or if
        a condition takes masks of another one of its recipe: jobs run in any order.
    """
    directory = plan.directory
    _refuse_sources(plan)
    # Locked from asking the queue to recording the jobs: two calls at once would submit everything twice.
    with exclusive_writing(directory.path):
        in_queue = queued_replicates(directory)
        replicates = [replicate for replicate in plan.unfinished() if replicate not in in_queue]
        # The job has cores of its own: OMP_NUM_THREADS of this machine does not count there.
        threads = place(plan.size, 1, ["cpu"], 1, num_cores=options.cpus, max_threads=options.cpus).threads
        reason = "on Slurm: one process a job"
        placement = Placement(jobs=1, threads=threads, num_cores=options.cpus, reason=reason)
        plan.note_same_run(placement, accept_changes=accept_changes)
        work = partial(
            work_on,
            sweep=directory.path.resolve(),  # a job starts in another folder
            threads=threads,
            plugins=tuple(Path(path).resolve() for path in plugins),
            checkpoint_seconds=checkpoint_seconds,
            accept_changes=accept_changes,
        )
        submitted: dict[str, list[CaseReplicate]] = {}
        for array in _cut(_cut(replicates, options.replicates_per_job), _largest_array()):
            parameters = _parameters(directory.path.resolve().name, len(array), threads, options)
            jobs = _submit_array(directory.path.resolve(), array, work, parameters)
            # After each array: should Slurm refuse the next one, these jobs are known already.
            _record(directory, jobs)
            submitted |= jobs
    return submitted


def queued_replicates(directory: SweepDirectory) -> dict[CaseReplicate, str]:
    """Return the replicates that Slurm has, each ``running`` or ``waiting``.

    Raises
    ------
    InputError
        If jobs were submitted, but Slurm does not answer.
    """
    states = _states_of_jobs(directory)
    return {
        replicate: "running" if states[job] in _RUNNING else "waiting"
        for job, replicates in submitted_jobs(directory).items()
        if job in states
        for replicate in replicates
    }


def cancel_jobs(directory: SweepDirectory) -> list[str]:
    """Cancel every job of a sweep that Slurm still has. Running jobs save where they are.

    Returns
    -------
    list of str
        The numbers of the jobs.

    Raises
    ------
    InputError
        If Slurm does not answer.
    """
    jobs = sorted(_states_of_jobs(directory))
    for some in _cut(jobs, _IDS_A_CALL):
        _slurm("scancel", *some)
    return jobs


def submitted_jobs(directory: SweepDirectory) -> dict[str, list[CaseReplicate]]:
    """Return every job that was ever submitted for a sweep, with its replicates."""
    path = directory.path / _FOLDER / _JOBS
    if not path.is_file():
        return {}
    return {job: [CaseReplicate(*key) for key in keys] for job, keys in read_sealed(path)["jobs"].items()}


def _refuse_sources(plan: SweepPlan) -> None:
    for case in plan.cases:
        for name in case.recipe.condition_names():
            pruning = case.recipe.condition(name).pruning
            source = masks_of(pruning)
            if source is None:
                continue
            if source.run is None:
                raise InputError(
                    f"conditions.{name} takes the masks of {source.condition!r} of the same recipe, but "
                    "Slurm runs jobs in any order: submit a recipe with the source alone, then "
                    "one with pruning.masks_from = '/path/to/run:condition'; or run the sweep on one machine"
                )
            if not source.run.is_absolute():
                raise InputError(
                    f"conditions.{name}: pruning.masks_from is {pruning.masks_from!r}, but jobs start in "
                    "another folder: give an absolute path"
                )


def _cut(items: Sequence[_Item], length: int) -> list[Sequence[_Item]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _record(directory: SweepDirectory, jobs: dict[str, list[CaseReplicate]]) -> None:
    content = {
        job: [astuple(each) for each in replicates]
        for job, replicates in (submitted_jobs(directory) | jobs).items()
    }
    write_sealed(directory.path / _FOLDER / _JOBS, {"jobs": content})


def _submit_array(
    sweep: Path,
    array: Sequence[Sequence[CaseReplicate]],
    work: Callable[[Sequence[CaseReplicate]], list[str]],
    parameters: dict[str, Any],
) -> dict[str, list[CaseReplicate]]:
    import submitit  # here: everything else does without it

    # submitit pickles `work` and the replicates into this folder: names, numbers and paths only, so that a
    # job that starts a week later needs nothing but the sweep's folder.
    executor = submitit.SlurmExecutor(folder=sweep / _FOLDER / "jobs")
    executor.update_parameters(**parameters)
    try:
        with executor.batch():
            submitted = [executor.submit(work, tuple(replicates)) for replicates in array]
    except (subprocess.CalledProcessError, submitit.core.utils.FailedJobError, RuntimeError) as error:
        raise InputError(
            f"Slurm refused an array of {len(array)} jobs: {_reason(error)}; {_mend(_reason(error))}the same "
            "command submits what is missing (see --at-once and --replicates-per-job)"
        ) from None
    return {job.job_id: list(replicates) for job, replicates in zip(submitted, array, strict=True)}


def _parameters(name: str, num_jobs: int, threads: int, options: SlurmOptions) -> dict[str, Any]:
    """Return the options of ``sbatch`` by the names that submitit has for them."""
    minutes = minutes_of(options.time)
    seconds_to_save = min(_SECONDS_TO_SAVE, minutes * 60 // 3)  # a very short job keeps two thirds for work
    # Without requeue Slurm would not let a job put itself back into the queue, and would end a preempted one.
    extra: dict[str, Any] = {"signal": f"USR1@{seconds_to_save}", "requeue": True}
    for option in options.sbatch:
        key, equals, value = option.partition("=")
        extra[key] = value if equals else True
    parameters = {
        "job_name": f"sparsight-{name}",
        "partition": options.partition,
        "time": minutes,
        "mem": options.mem,
        "gpus_per_node": options.gpus or None,
        "cpus_per_task": options.cpus,
        "array_parallelism": options.at_once or num_jobs,
        # Libraries read these when they are loaded, and would otherwise take every core of the node.
        "setup": [f"export {variable}={threads}" for variable in THREAD_VARIABLES],
        "srun_args": [f"--cpus-per-task={options.cpus}"],  # since 22.05 srun does not take it from sbatch
        "additional_parameters": extra,
    }
    # Left to itself, submitit sends a wckey of its own, which sites that keep wckeys refuse.
    return {key: value for key, value in parameters.items() if value is not None} | {"wckey": None}


def _largest_array() -> int:
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config"), re.MULTILINE)
    return max(int(match[1]), 1) if match else 1


def _states_of_jobs(directory: SweepDirectory) -> dict[str, str]:
    known = submitted_jobs(directory)
    if not known:
        return {}
    # squeue, not sacct: accounting is not set up everywhere.
    lines = _slurm("squeue", "--me", "--array", "--noheader", "--format=%i|%T").splitlines()
    states = dict(line.strip().split("|", 1) for line in lines if "|" in line)
    return {job: state for job, state in states.items() if job in known}


def _slurm(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]} is not installed here: this needs a machine with Slurm's commands")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except subprocess.SubprocessError as error:
        raise InputError(f"{shlex.join(command[:3])} failed: {_reason(error)}") from None


def _mend(reason: str) -> str:
    """Return the option that mends what Slurm refuses, for a message; empty if none is known."""
    return "".join(f"{mend}; " for word, mend in _MENDS.items() if word in reason.lower())


def _reason(error: Exception) -> str:
    return str(getattr(error, "stderr", None) or error).strip()
