"""What is asked of Slurm for each job of a sweep."""

import re
from dataclasses import dataclass

from sparsight.errors import InputError

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


@dataclass(frozen=True, kw_only=True)
class SlurmOptions:
    """What is asked of Slurm for each job.

    Attributes
    ----------
    partition : str or None
        Slurm partition.
    time : str
        Time limit of a job, as sbatch takes it: 30 (minutes), 12:00:00, 2-0. A job that reaches it saves
        where it is and queues again.
    mem : str or None
        Memory of a job, as in 8G.
    gpus : int
        GPUs per job.
    cpus : int
        CPU cores per job.
    at_once : int or None
        Jobs of one array that may run at the same time.
    replicates_per_job : int
        Trainings that a job runs one after the other: raise it if they are very short, or if the cluster
        allows few jobs.
    sbatch : tuple of str
        Further options of sbatch: account=abc, or exclusive.
    """

    partition: str | None = None
    time: str = "24:00:00"
    mem: str | None = None
    gpus: int = 0
    cpus: int = 1
    at_once: int | None = None
    replicates_per_job: int = 1
    sbatch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("gpus", 0), ("cpus", 1), ("replicates_per_job", 1), ("at_once", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is {value}; at least {least} is allowed")
        minutes_of(self.time)
        for option in self.sbatch:
            # It becomes a line "#SBATCH --key=value" of a script: a line break would add lines of its own.
            if not re.fullmatch(r"[a-z][a-z0-9-]*(=[^\n]*)?", option):
                raise InputError(f"--sbatch {option!r} is not of the form key=value, as in account=abc")


def minutes_of(time: str) -> int:
    """Return a time limit of Slurm in whole minutes, rounded up.

    It is ``MINUTES``, ``MM:SS``, ``HH:MM:SS``, ``D-HH``, ``D-HH:MM`` or ``D-HH:MM:SS``, as ``sbatch --time``
    takes it; another form, or 0, is an `InputError`.
    """
    match = _TIME.fullmatch(time)
    if not match:
        raise InputError(f"--time is {time!r}; give minutes, HH:MM:SS or D-HH:MM:SS")
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:  # D-HH[:MM[:SS]]
        seconds = ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    elif match["third"] is not None:  # HH:MM:SS
        seconds = (first * 60 + second) * 60 + third
    else:  # MM[:SS]
        seconds = first * 60 + second
    if seconds == 0:
        raise InputError(f"--time is {time!r}; a job needs some time")
    return -(-seconds // 60)
