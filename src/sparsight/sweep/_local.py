"""Run a sweep on this machine: every unit that is not finished, the cores shared out among them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from joblib import Parallel, delayed

from sparsight.run import Placement, Size, check_recipes, devices_of, place, stopping_on_signals
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._replicate import Outcome, run_replicate
from sparsight.sweep._settings import Case, default_folder, load_sweep

OnReplicate = Callable[[Outcome], None]
"""Called when the work on a unit has ended."""


@dataclass(frozen=True)
class Plan:
    """A sweep that was checked and has its folder.

    Attributes
    ----------
    directory : SweepDirectory
    cases : list of Case
    size : Size
        Of the largest replicate.
    """

    directory: SweepDirectory
    cases: list[Case]
    size: Size

    def devices(self) -> list[str]:
        """Return the devices of all cases."""
        return [device for case in self.cases for device in devices_of(case.recipe)]

    def unfinished(self) -> list[CaseReplicate]:
        """Return the units that are neither finished nor failed."""
        return [
            unit for unit, state in self.directory.states().items() if state not in ("finished", "failed")
        ]


def plan_sweep(path: Path, out: Path | None = None, *, runs_here: bool = True) -> Plan:
    """Read a sweep file, check every case, and only then make or extend the sweep's folder.

    Parameters
    ----------
    path : Path
        The sweep file.
    out : Path, optional
        Default ``sweeps/<name>``.
    runs_here : bool
        Whether this machine needs the devices.

    Raises
    ------
    InputError
        If the file, a field, a case or its data are wrong; nothing has been written then.
    """
    settings, cases = load_sweep(path)
    sizes = check_recipes([case.recipe for case in cases], runs_here=runs_here)
    size = sizes[0]
    for other in sizes:
        size = size.union(other)
    directory = SweepDirectory.create(
        out or default_folder(settings), settings.name, settings.fields(), cases
    )
    return Plan(directory, cases, size)


def sweep(
    plan: Plan,
    *,
    jobs: int | None = None,
    plugins: Sequence[Path] = (),
    checkpoint_seconds: float = 60.0,
    on_replicate: OnReplicate | None = None,
) -> list[Outcome]:
    """Run the units of a sweep that are not finished, on this machine.

    Parameters
    ----------
    plan : Plan
    jobs, plugins, checkpoint_seconds
        As `sparsight.run.run`.
    on_replicate : callable, optional

    Returns
    -------
    list of Outcome
        One for each unit that was worked on.

    Raises
    ------
    Interrupted
        If SIGINT, SIGTERM, SIGUSR1 or SIGHUP came: every unit has saved where it was.
    """
    units = plan.unfinished()
    placement = share_out(plan, len(units), jobs)
    path = plan.directory.path
    outcomes: list[Outcome] = []
    with TemporaryDirectory() as holder, stopping_on_signals(Path(holder)):
        work = Parallel(n_jobs=placement.jobs, return_as="generator_unordered")(
            delayed(run_replicate)(
                path,
                unit,
                threads=placement.threads,
                plugins=plugins,
                checkpoint_seconds=checkpoint_seconds,
                owner=os.getpid(),
                holder=Path(holder),
            )
            for unit in units
        )
        for outcome in work:
            outcomes.append(outcome)
            if on_replicate is not None:
                on_replicate(outcome)
    return outcomes


def share_out(plan: Plan, num_units: int, jobs: int | None = None) -> Placement:
    """Share this machine out among the units, and record that in the run directory of every case."""
    placement = place(plan.size, num_units, plan.devices(), jobs)
    for case in plan.directory.cases():
        case.directory.note_placement(placement.facts())
    return placement
