"""One replicate of a sweep: it can be run again, resumed, and run beside others of the same sweep."""

import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sparsight.atomic import write_atomically
from sparsight.errors import BusyError, InputError
from sparsight.run import (
    HOW_TO_USE_LESS,
    Execution,
    Group,
    WorkerDeath,
    exit_if_orphaned,
    lacks_memory,
    load_plugins,
    request_stop,
    run_replicates,
)
from sparsight.sweep._directory import CaseReplicate, SweepDirectory, state_of

_ERROR = "error.txt"
_SECONDS_FOR_ORPHANS = 2.0
"""How long to wait for the worker of a sweep that was killed just now: it ends within a second."""


@dataclass(frozen=True)
class Outcome:
    """How the work on a replicate ended.

    Attributes
    ----------
    end : {"finished", "failed", "stopped", "busy", "error"}
        ``failed``: its training diverged, and would again. ``stopped``: on request, saved. ``busy``: another
        process is working on it. ``error``: anything else; see the message.
    message : str
        Reason for the end, if there is more to say.
    """

    replicate: CaseReplicate
    end: Literal["finished", "failed", "stopped", "busy", "error"]
    message: str = ""


def lost(sweep: SweepDirectory, replicate: CaseReplicate, death: WorkerDeath) -> Outcome:
    """Return the outcome of a replicate whose worker died: what happened, what is kept, and what helps."""
    num_levels = sweep.case(replicate.case).num_levels(replicate.condition, replicate.replicate)
    return Outcome(
        replicate,
        "error",
        f"{death}; its {num_levels} stored levels are whole, and the same command goes on from there "
        f"({HOW_TO_USE_LESS})",
    )


def run_replicate(sweep: Path, execution: Execution, replicate: CaseReplicate) -> Outcome:
    """Run one replicate from where it was left; skip it if it has ended, or if another process has it.

    An error ends this replicate only: it is reported in the outcome and in the replicate's folder.
    """
    load_plugins(execution.plugins)
    directory = SweepDirectory(sweep).case(replicate.case)
    key = (replicate.condition, replicate.replicate)
    traceback_file = directory.replicate(*key) / _ERROR

    def stop() -> None:
        request_stop(execution.stop_request)

    try:
        with directory.writing_replicate(*key, on_lost=stop, wait=_SECONDS_FOR_ORPHANS):
            exit_if_orphaned(execution.owner_pid)
            traceback_file.unlink(missing_ok=True)
            # Asked for only now, with the lock: another process may have finished it since the plan was made.
            if state_of(directory, *key) not in ("finished", "failed"):
                condition = directory.recipe.condition(replicate.condition)
                group = Group(replicate.condition, condition, (replicate.replicate,))
                run_replicates(directory.path, group, execution)
    except BusyError as error:
        return Outcome(replicate, "busy", str(error))
    except Exception as error:  # whatever it is, the other replicates continue
        if lacks_memory(error):
            return lost(SweepDirectory(sweep), replicate, WorkerDeath.for_want_of_memory())
        with suppress(OSError, InputError):  # perhaps the disk is full, or the folder a link
            content = traceback.format_exc().encode(errors="backslashreplace")
            write_atomically(traceback_file, content, inside=directory.path)
        return Outcome(replicate, "error", f"{type(error).__name__}: {error} (traceback in {traceback_file})")
    state = state_of(directory, *key)
    if state == "failed":
        return Outcome(replicate, "failed", directory.failure(*key) or "")
    return Outcome(replicate, "finished" if state == "finished" else "stopped")
