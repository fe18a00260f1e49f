"""Tables of `sparsight reproduce`: the claims, and the verdict on each."""

import math
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from sparsight.measure import describe
from sparsight.reproduce import Claim, Finding, Outcome


def claims_table(claims: Iterable[Claim]) -> Table:
    """Return a table of the claims: statement, source, and the studies that test it."""
    table = Table(title="Claims", caption="sparsight reproduce NAME… --scale smoke|laptop|paper")
    for heading in ("claim", "statement", "source", "studies"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "claim")
    for claim in claims:
        table.add_row(claim.name, claim.statement, claim.source, ", ".join(claim.studies()))
    return table


def findings_table(outcome: Outcome) -> Table:
    """Return a table of a claim's predictions, each with rule, effect, control and verdict."""
    claim = outcome.claim
    verdicts = {f.prediction.name: f.verdict for f in outcome.findings if f.is_decisive}
    disagree = ""
    if outcome.verdict == "mixed":
        disagree = ": " + ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items())
    table = Table(title=f"{claim.name}: {outcome.verdict}{disagree}", caption=_caption(outcome))
    table.add_column("prediction", no_wrap=True)
    table.add_column("statement", overflow="fold")
    for heading in ("rule", "estimate [95 %]", "control", "p", "verdict"):
        table.add_column(heading, no_wrap=True)
    for finding in outcome.findings:
        prediction = finding.prediction
        name = prediction.name if prediction.decisive else f"({prediction.name})"
        table.add_row(
            f"  {finding.variant}" if finding.variant else name,
            prediction.name if finding.variant else prediction.statement,
            str(prediction.rule),
            describe(finding.effect),
            "" if finding.control is None else describe(finding.control),
            "" if math.isnan(finding.p) else f"{finding.p_adjusted:.2g}",
            _verdict(finding),
        )
    return table


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
