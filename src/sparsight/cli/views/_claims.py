"""What `sparsight reproduce` prints: the claims, and the verdict on each."""

import math
from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sparsight.measure import describe
from sparsight.reproduce import Claim, Finding, Outcome


def claims_table(claims: Iterable[Claim]) -> Table:
    """Return a table of the claims: name, and statement with source and the studies that test it."""
    table = Table(
        title="Claims",
        caption="sparsight reproduce NAME… --scale smoke|laptop|paper",
        box=None,
        pad_edge=False,
    )
    table.add_column("claim", no_wrap=True)
    table.add_column("statement", overflow="fold")
    for claim in claims:
        studies = ", ".join(claim.studies())
        table.add_row(claim.name, f"{claim.statement}\nSource: {claim.source}. Studies: {studies}.")
    return table


def findings_view(outcome: Outcome) -> Group:
    """Return a claim's predictions below each other, each with verdict, rule, effect and control."""
    claim = outcome.claim
    verdicts = {f.prediction.name: f.verdict for f in outcome.findings if f.is_decisive}
    disagree = ""
    if outcome.verdict == "mixed":
        disagree = ": " + ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items())
    parts: list[RenderableType] = [Text(f"{claim.name}: {outcome.verdict}{disagree}", style="bold")]
    for finding in outcome.findings:
        parts.append(Padding(_finding(finding), (0, 0, 0, 4 if finding.variant else 2)))
    return Group(*parts, Text(_caption(outcome), style="dim"))


def _finding(finding: Finding) -> Text:
    prediction = finding.prediction
    name = prediction.name if prediction.decisive else f"({prediction.name})"
    numbers = [f"predicted: {prediction.rule}", f"estimate {describe(finding.effect)}"]
    if finding.control is not None:
        numbers.append(f"control {describe(finding.control)}")
    if not math.isnan(finding.p):
        numbers.append(f"p {finding.p_adjusted:.2g}")
    lines = [f"{f'{name}, {finding.variant}' if finding.variant else name}: {_verdict(finding)}"]
    if not finding.variant:
        lines.append(prediction.statement)
    return Text("\n".join([*lines, "; ".join(numbers)]))


def run_notice(name: str, path: Path) -> str:
    """Return a line that names a study and the folder in which it is run, or read if it is finished."""
    return f"{name} in {path}"


def _verdict(finding: Finding) -> str:
    alone = finding.verdict_alone
    return finding.verdict if finding.verdict == alone else f"{finding.verdict} (alone: {alone})"


def _caption(outcome: Outcome) -> str:
    lines = [outcome.claim.statement, outcome.claim.scope]
    lines.append(
        "Intervals: 95 %, over replicates. p: one-sided, of decisive predictions after Holm's correction. In "
        "brackets: reported, not decisive. Indented: one setting halved or doubled."
    )
    one = [facts.name for facts in outcome.studies if facts.data_sets == "one" and not facts.variant]
    if one:
        lines.append(f"Over seeds, given one data set: {', '.join(one)}.")
    for facts in outcome.studies:
        if facts.out_of_band and not facts.variant:
            conditions = ", ".join(f"{name} {value:.2f}" for name, value in facts.out_of_band.items())
            lines.append(f"Dense accuracy outside 0.80 … 0.99 in {facts.name}: {conditions}.")
    if outcome.scale == "smoke":
        lines.append("Scale smoke shows that the machinery works; its verdicts mean nothing.")
    return " ".join(filter(None, lines))
