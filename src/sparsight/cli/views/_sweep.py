"""The printed state of a sweep: one row per case."""

from collections import Counter
from collections.abc import Mapping

from rich.console import Group
from rich.text import Text

from sparsight.cli.views._blocks import LONGEST_NAME, blocks_below_each_other, column_blocks
from sparsight.sweep import CaseReplicate, Outcome, Sweep

_STATES = ("finished", "failed", "running", "waiting", "begun", "new")
_CAPTION = "case: folder under cases. failed: training diverged. begun: the same command resumes it."


def sweep_table(sweep: Sweep, width: int, queue: Mapping[CaseReplicate, str] | None = None) -> Group:
    """Return how far a sweep is: for every case its values, and its replicates counted by state.

    A terminal that is too narrow, of `width` characters, gets the last columns in a table below. `queue` maps
    the replicates that Slurm has to ``running`` or ``waiting``.
    """
    states: dict[CaseReplicate, str] = {**sweep.directory.states()}
    for replicate, state in (queue or {}).items():
        # One that has ended needs no queue, though its job may still be busy with the next one.
        if states.get(replicate) in ("begun", "new"):
            states[replicate] = state
    present = [state for state in _STATES if state in {"finished", *states.values()}]
    values = sweep.values()
    rows = []
    for case, row in values.iterrows():
        counts = Counter(state for replicate, state in states.items() if replicate.case == case)
        rows.append([str(case), *map(str, row), *(str(counts[state]) for state in present)])
    headings = ["case", *sweep.fields, *present]
    longest = max(LONGEST_NAME, width // 2)  # names of cases are folders, to copy as a whole
    blocks = column_blocks(headings, rows, width, repeated=1, longest_name=longest)
    return Group(
        Text(
            f"{sweep.path}: {len(values)} cases, {len(states)} trainings from dense to sparse", style="bold"
        ),
        blocks_below_each_other(headings, rows, blocks, longest_name=longest),
        Text(_CAPTION, style="dim"),
    )


def announce_replicate(outcome: Outcome) -> str:
    """Return one line that says how the work on a replicate ended."""
    replicate = outcome.replicate
    text = f"{replicate.case}, {replicate.condition}, replicate {replicate.replicate}: {outcome.end}"
    return f"{text}: {outcome.message}" if outcome.message else text
