"""Sweeps on Slurm: submit units as job arrays, say what the queue has of them, cancel them."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sparsight.errors import InputError
from sparsight.run import Placement, place
from sparsight.store import exclusive_writing, read_sealed, write_sealed
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._local import Plan
from sparsight.sweep._slurm_job import work_on

_Item = TypeVar("_Item")
_JOBS = "jobs.json"
_SECONDS_TO_SAVE = 120
"""Before the time limit, when the job is told to save where it is and to queue again."""

_RUNNING = {"RUNNING", "COMPLETING", "CONFIGURING", "SIGNALING", "STAGE_OUT", "SUSPENDED"}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_IDS_A_CALL = 500
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


@dataclass(frozen=True)
class SlurmOptions:
    """What is asked of Slurm for each job.

    Attributes
    ----------
    partition : str or None
    time : str
        As in ``sbatch --time``: ``MINUTES``, ``MM:SS``, ``HH:MM:SS``, ``D-HH``, ``D-HH:MM``, ``D-HH:MM:SS``.
        A job that reaches it saves where it is and queues again.
    mem : str or None
        As in ``sbatch --mem``: ``8G``.
    gpus, cpus : int
    at_once : int or None
        Jobs of one array that may run at the same time.
    units_per_job : int
        Trainings that one job does one after the other: for very short ones, or sites that allow few jobs.
    sbatch : tuple of str
        Further options, ``key=value`` (``account=abc``) or ``key``.
    """

    partition: str | None = None
    time: str = "24:00:00"
    mem: str | None = None
    gpus: int = 0
    cpus: int = 1
    at_once: int | None = None
    units_per_job: int = 1
    sbatch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("gpus", 0), ("cpus", 1), ("units_per_job", 1)):
            if getattr(self, name) < least:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is {getattr(self, name)}; at least {least} is allowed")
        if self.at_once is not None and self.at_once < 1:
            raise InputError(f"--at-once is {self.at_once}; at least 1 is allowed")
        minutes_of(self.time)
        for option in self.sbatch:
            if not re.fullmatch(r"[a-z][a-z0-9-]*(=[^\n]*)?", option):
                raise InputError(f"--sbatch {option!r} is not of the form key=value, as in account=abc")


def minutes_of(time: str) -> int:
    """Return a time limit of Slurm's, in whole minutes, rounded up.

    Raises
    ------
    InputError
        If it is none of the forms that ``sbatch --time`` takes.
    """
    match = _TIME.fullmatch(time)
    if not match:
        raise InputError(f"--time is {time!r}; give minutes, HH:MM:SS or D-HH:MM:SS")
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:  # D-HH[:MM[:SS]]
        seconds = ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    elif match["third"] is not None:
        seconds = (first * 60 + second) * 60 + third
    else:  # MM[:SS]
        seconds = first * 60 + second
    if seconds == 0:
        raise InputError(f"--time is {time!r}; a job needs some time")
    return -(-seconds // 60)


def submit(
    plan: Plan,
    options: SlurmOptions,
    *,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 600.0,
) -> dict[str, list[CaseReplicate]]:
    """Submit the units of a sweep that are neither finished nor in the queue, and return at once.

    Nothing on this machine needs to stay: a job goes on by itself after preemption and at its time limit,
    and `queue`, `cancel` and another `submit` work from anywhere that sees the folder and Slurm.

    Parameters
    ----------
    plan : Plan
    options : SlurmOptions
    plugins, checkpoint_seconds
        As `sparsight.run.run`.

    Returns
    -------
    dict
        Units by the job that does them.

    Raises
    ------
    InputError
        If Slurm is not here or refuses; what it took before that stays in the queue.
    """
    directory = plan.directory
    with exclusive_writing(directory.path):
        in_queue = queue(directory)
        units = [unit for unit in plan.unfinished() if unit not in in_queue]
        placement = _placement(plan, options)
        for case in directory.cases():
            case.directory.note_placement(placement.facts())
        submitted: dict[str, list[CaseReplicate]] = {}
        for array in _cut(_cut(units, options.units_per_job), _largest_array()):
            arguments = (directory.path.resolve(), array, placement.threads)
            ids = _submit_array(*arguments, [path.resolve() for path in plugins], checkpoint_seconds, options)
            submitted |= {job: list(units_of_job) for job, units_of_job in zip(ids, array, strict=True)}
            _record(directory, {job: submitted[job] for job in ids})
    return submitted


def queue(directory: SweepDirectory) -> dict[CaseReplicate, str]:
    """Return which units Slurm has: ``running`` or ``waiting``.

    Raises
    ------
    InputError
        If jobs were submitted, but Slurm does not answer.
    """
    states = _states_of_jobs(directory)
    return {
        unit: "running" if states[job] in _RUNNING else "waiting"
        for job, units in submitted_jobs(directory).items()
        if job in states
        for unit in units
    }


def cancel(directory: SweepDirectory) -> list[str]:
    """Cancel every job of a sweep that Slurm still has; running ones save where they are.

    Returns
    -------
    list of str
        The jobs' numbers.

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
    """Return every job that was ever submitted for a sweep, with its units."""
    path = _folder(directory) / _JOBS
    if not path.is_file():
        return {}
    return {job: [CaseReplicate(*unit) for unit in units] for job, units in read_sealed(path)["jobs"].items()}


def _cut(items: Sequence[_Item], length: int) -> list[Sequence[_Item]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _folder(directory: SweepDirectory) -> Path:
    return directory.path / "slurm"


def _record(directory: SweepDirectory, jobs: dict[str, list[CaseReplicate]]) -> None:
    known = submitted_jobs(directory) | jobs
    content = {
        job: [[unit.case, unit.condition, unit.replicate] for unit in units] for job, units in known.items()
    }
    write_sealed(_folder(directory) / _JOBS, {"jobs": content})


def _placement(plan: Plan, options: SlurmOptions) -> Placement:
    threads = place(plan.size, 1, ["cpu"], 1, num_cores=options.cpus).threads
    return Placement(1, threads, options.cpus, "on Slurm: one process a job")


def _submit_array(
    sweep: Path,
    jobs: Sequence[Sequence[CaseReplicate]],
    threads: int,
    plugins: Sequence[Path],
    checkpoint_seconds: float,
    options: SlurmOptions,
) -> list[str]:
    import submitit

    executor = submitit.SlurmExecutor(folder=sweep / "slurm" / "jobs")
    executor.update_parameters(**_parameters(f"sparsight-{sweep.name}", len(jobs), threads, options))
    try:
        with executor.batch():
            submitted = [
                executor.submit(work_on, sweep, tuple(units), threads, tuple(plugins), checkpoint_seconds)
                for units in jobs
            ]
    except (subprocess.CalledProcessError, submitit.core.utils.FailedJobError, RuntimeError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise InputError(
            f"Slurm refused an array of {len(jobs)} jobs: {reason}; the same command submits what is missing "
            "(see --at-once and --units-per-job)"
        ) from None
    return [job.job_id for job in submitted]


def _parameters(name: str, num_jobs: int, threads: int, options: SlurmOptions) -> dict[str, Any]:
    minutes = minutes_of(options.time)
    seconds_to_save = min(_SECONDS_TO_SAVE, minutes * 60 // 3)
    extra: dict[str, Any] = {"signal": f"USR1@{seconds_to_save}", "requeue": True}
    for option in options.sbatch:
        key, equals, value = option.partition("=")
        extra[key] = value if equals else True
    parameters = {
        "job_name": name,
        "partition": options.partition,
        "time": minutes,
        "mem": options.mem,
        "gpus_per_node": options.gpus or None,
        "cpus_per_task": options.cpus,
        "array_parallelism": options.at_once or num_jobs,
        "setup": [f"export {variable}={threads}" for variable in _THREAD_VARIABLES],
        "srun_args": [f"--cpus-per-task={options.cpus}"],  # since 22.05 srun does not take it from sbatch
        "additional_parameters": extra,
    }
    return {key: value for key, value in parameters.items() if value is not None}


def _largest_array() -> int:
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config"), re.MULTILINE)
    return max(int(match[1]), 1) if match else 1


def _states_of_jobs(directory: SweepDirectory) -> dict[str, str]:
    known = submitted_jobs(directory)
    if not known:
        return {}
    lines = _slurm("squeue", "--me", "--array", "--noheader", "--format=%i|%T").splitlines()
    states = dict(line.strip().split("|", 1) for line in lines if "|" in line)
    return {job: state for job, state in states.items() if job in known}


def _slurm(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]} is not here: this needs a machine with Slurm's commands")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except subprocess.SubprocessError as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise InputError(f"{shlex.join(command[:3])} failed: {reason}") from None
