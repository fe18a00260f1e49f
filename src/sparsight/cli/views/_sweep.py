"""The printed state of a sweep: a row a case."""

from collections import Counter
from collections.abc import Mapping

from rich.table import Table

from sparsight.sweep import CaseReplicate, Outcome, Sweep

_KINDS = ("finished", "failed", "running", "waiting", "begun", "new")


def sweep_table(sweep: Sweep, queue: Mapping[CaseReplicate, str] | None = None) -> Table:
    """Return how far a sweep is as a table: a row a case, its values, and its units by state.

    Parameters
    ----------
    sweep : Sweep
    queue : mapping of CaseReplicate to str, optional
        Units that a queue has: ``running`` or ``waiting``.
    """
    states: dict[CaseReplicate, str] = {**sweep.directory.states()}
    for unit, kind in (queue or {}).items():
        if states.get(unit) in ("begun", "new"):
            states[unit] = kind
    kinds = [kind for kind in _KINDS if kind in {"finished", *states.values()}]
    values = sweep.values()
    table = Table(
        title=f"{sweep.path}: {len(values)} cases, {len(states)} trainings from dense to sparse",
        caption="case: folder under cases. failed: training diverged. begun: goes on with the same command.",
    )
    table.add_column("case", no_wrap=True)
    for field in sweep.fields:
        table.add_column(field, justify="right")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for case, row in values.iterrows():
        counts = Counter(state for unit, state in states.items() if unit.case == case)
        table.add_row(str(case), *map(str, row), *(str(counts[kind]) for kind in kinds))
    return table


def announce_replicate(outcome: Outcome) -> str:
    """Return the one line that the end of a unit is announced with."""
    unit = outcome.unit
    text = f"{unit.case}, {unit.condition}, replicate {unit.replicate}: {outcome.end}"
    return f"{text}: {outcome.message}" if outcome.message else text
