"""The printed state of a sweep: one row per case."""

from collections import Counter
from collections.abc import Mapping

from rich.table import Table

from sparsight.sweep import CaseReplicate, Outcome, Sweep

_STATES = ("finished", "failed", "running", "waiting", "begun", "new")


def sweep_table(sweep: Sweep, queue: Mapping[CaseReplicate, str] | None = None) -> Table:
    """Return a table of how far a sweep is: for every case its values, and its replicates counted by state.

    `queue` maps the replicates that Slurm has to ``running`` or ``waiting``.
    """
    states: dict[CaseReplicate, str] = {**sweep.directory.states()}
    for replicate, state in (queue or {}).items():
        # One that has ended needs no queue, though its job may still be busy with the next one.
        if states.get(replicate) in ("begun", "new"):
            states[replicate] = state
    present = [state for state in _STATES if state in {"finished", *states.values()}]
    values = sweep.values()
    table = Table(
        title=f"{sweep.path}: {len(values)} cases, {len(states)} trainings from dense to sparse",
        caption="case: folder under cases. failed: training diverged. begun: the same command resumes it.",
    )
    table.add_column("case", no_wrap=True)
    for heading in (*sweep.fields, *present):
        table.add_column(heading, justify="right")
    for case, row in values.iterrows():
        counts = Counter(state for replicate, state in states.items() if replicate.case == case)
        table.add_row(str(case), *map(str, row), *(str(counts[state]) for state in present))
    return table


def announce_replicate(outcome: Outcome) -> str:
    """Return one line that says how the work on a replicate ended."""
    replicate = outcome.replicate
    text = f"{replicate.case}, {replicate.condition}, replicate {replicate.replicate}: {outcome.end}"
    return f"{text}: {outcome.message}" if outcome.message else text
