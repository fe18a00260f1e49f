"""A sweep on this machine: its replicates that have not ended, side by side in processes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sparsight.run import (
    Execution,
    Placement,
    Size,
    WorkerDeath,
    Workers,
    check_conditions,
    check_mask_sources,
    check_same_code,
    dropping_tasks,
    note_environment,
    note_same_code,
    place,
    request_stop,
    stop_request_in,
    stopping_on_signals,
)
from sparsight.sweep._directory import CaseReplicate, SweepDirectory
from sparsight.sweep._replicate import Outcome, lost, run_replicate
from sparsight.sweep._settings import Case, default_folder, load_sweep


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that was checked and has its folder.

    `size` is that of its largest replicate; `devices` are those of all conditions of all cases.
    """

    directory: SweepDirectory
    cases: list[Case]
    size: Size
    devices: list[str]

    def unfinished(self) -> list[CaseReplicate]:
        """Return the replicates that are neither finished nor failed."""
        states = self.directory.states()
        return [replicate for replicate, state in states.items() if state not in ("finished", "failed")]

    def note_same_run(self, placement: Placement, *, accept_changes: bool = False) -> None:
        """Check and record for every case what it goes on with, and how a machine is shared out.

        Raises
        ------
        InputError
            If own functions or random streams are others than those that a case was begun with.
        """
        directories = [case.directory for case in self.directory.cases()]
        for directory in directories:  # all of them before anything is written
            check_same_code(directory, accept_changes=accept_changes)
        for directory in directories:
            note_same_code(directory, accept_changes=accept_changes)
            note_environment(directory, placement, accept_changes=accept_changes)
            directory.note_placement(asdict(placement))


def plan_sweep(path: str | Path, out: str | Path | None = None, *, runs_here: bool = True) -> SweepPlan:
    """Read a sweep file, check every case, and only then make or extend the folder of the sweep.

    Parameters
    ----------
    out : str or Path, optional
        The folder. Default ``sweeps/<name>``.
    runs_here : bool
        Whether the sweep will run on this machine, which then needs the devices.

    Raises
    ------
    InputError
        If the file, a field, a case or its data are wrong; nothing has been written then.
    """
    settings, cases = load_sweep(path)
    conditions = [
        (case.recipe.condition(name), case.recipe.replicate_seed(0))
        for case in cases
        for name in case.recipe.condition_names()
    ]
    size = check_conditions(conditions, runs_here=runs_here)
    for case in cases:
        check_mask_sources(case.recipe)
    directory = SweepDirectory.create(
        Path(out or default_folder(settings)), settings.name, settings.fields(), cases
    )
    return SweepPlan(directory, cases, size, [condition.device for condition, _ in conditions])


def run_sweep(
    plan: SweepPlan,
    *,
    jobs: int | None = None,
    plugins: Sequence[str | Path] = (),
    checkpoint_seconds: float = 60.0,
    accept_changes: bool = False,
    on_replicate: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run the replicates of a sweep that have not ended, on this machine.

    Parameters
    ----------
    jobs, plugins, checkpoint_seconds, accept_changes
        As for `sparsight.run.run_recipe`.
    on_replicate : callable, optional
        Called with the outcome of each replicate.

    Returns
    -------
    list of Outcome
        One for each replicate that was worked on.

    Raises
    ------
    Interrupted
        If SIGINT, SIGTERM, SIGUSR1 or SIGHUP came. Every replicate has saved where it was.
    """
    replicates = plan.unfinished()
    placement = place(plan.size, len(replicates), plan.devices, jobs)
    plan.note_same_run(placement, accept_changes=accept_changes)
    outcomes: list[Outcome] = []
    # Workers write to many run directories, and other processes may write to the same ones: the request to
    # stop gets a folder that belongs to this call alone.
    with (
        TemporaryDirectory() as folder,
        stopping_on_signals(request := stop_request_in(Path(folder))),
        dropping_tasks(request),
    ):
        execution = Execution(
            threads=placement.threads,
            plugins=tuple(map(Path, plugins)),
            checkpoint_seconds=checkpoint_seconds,
            stop_request=request,
            accept_changes=accept_changes,
        )
        work = partial(run_replicate, plan.directory.path, execution)
        with Workers(placement.jobs, work) as workers:
            for wave in _in_waves(plan.directory, replicates):
                ends = workers.work_through(wave, on_error=lambda: request_stop(request))
                for replicate, end in ends:
                    outcome = lost(plan.directory, replicate, end) if isinstance(end, WorkerDeath) else end
                    outcomes.append(outcome)
                    if on_replicate is not None:
                        on_replicate(outcome)
    return outcomes


def _in_waves(directory: SweepDirectory, replicates: Sequence[CaseReplicate]) -> list[list[CaseReplicate]]:
    """Return replicates in waves: those that take masks of another condition after that condition's."""
    recipes = {case.name: case.directory.recipe for case in directory.cases()}
    waves: dict[int, list[CaseReplicate]] = {}
    for each in replicates:
        number = len(recipes[each.case].chain_of_sources(each.condition))
        waves.setdefault(number, []).append(each)
    return [waves[number] for number in sorted(waves)]
