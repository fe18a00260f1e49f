"""One unit of a sweep: idempotent, resumable, safe beside others of the same sweep."""

import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sparsight.errors import BusyError
from sparsight.run import load_plugins, request_stop, run_replicates
from sparsight.sweep._directory import CaseReplicate, SweepDirectory, state_of

_ERROR = "error.txt"


@dataclass(frozen=True)
class Outcome:
    """What came of the work on a unit.

    Attributes
    ----------
    unit : CaseReplicate
    end : {"finished", "failed", "stopped", "busy", "error"}
        ``failed``: its training diverged, and would again. ``stopped``: on request, saved. ``busy``: another
        process has it. ``error``: something else, which the message tells.
    message : str
    """

    unit: CaseReplicate
    end: Literal["finished", "failed", "stopped", "busy", "error"]
    message: str = ""


def run_replicate(
    sweep: Path,
    unit: CaseReplicate,
    *,
    threads: int,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    owner: int | None = None,
    holder: Path,
) -> Outcome:
    """Run one unit to its end, from where it was left; nothing if it is finished, failed, or another's.

    Parameters
    ----------
    sweep : Path
        Folder of the sweep.
    unit : CaseReplicate
    threads, plugins, checkpoint_seconds, owner, holder
        As `sparsight.run.run_replicates`.

    Returns
    -------
    Outcome
        An error of one unit is told there, and in its folder, and takes nothing else with it.
    """
    load_plugins(plugins)
    directory = SweepDirectory(sweep).case(unit.case)
    place = (unit.condition, unit.replicate)
    record = directory.replicate(*place) / _ERROR
    try:
        with directory.writing_replicate(*place, on_lost=lambda: request_stop(holder, owner)):
            record.unlink(missing_ok=True)
            if state_of(directory, *place) not in ("finished", "failed"):
                run_replicates(
                    directory.path,
                    unit.condition,
                    [unit.replicate],
                    threads=threads,
                    plugins=plugins,
                    checkpoint_seconds=checkpoint_seconds,
                    owner=owner,
                    holder=holder,
                )
    except BusyError as error:
        return Outcome(unit, "busy", str(error))
    except Exception as error:  # the border of a unit: whatever it is, the others go on
        with suppress(OSError):  # perhaps the disk is full
            record.write_text(traceback.format_exc(), encoding="utf-8")
        return Outcome(unit, "error", f"{type(error).__name__}: {error} (all of it: {record})")
    state = state_of(directory, *place)
    if state == "failed":
        return Outcome(unit, "failed", directory.failure(*place) or "")
    return Outcome(unit, "finished" if state == "finished" else "stopped")
