"""``sparsight reproduce``."""

from pathlib import Path

from sparsight.cli._terminal import terminal

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def reproduce(
    *claims: str,
    scale: str = "smoke",
    out: Path = Path("runs"),
    results: Path | None = None,
    jobs: int | None = None,
    robustness: bool = True,
) -> None:
    """Test the papers' claims and give a verdict on each. Without a name, list them.

    Parameters
    ----------
    claims
        Names of claims, or the word all.
    scale
        smoke (minutes; its verdicts mean nothing), laptop or paper.
    out
        Folder of the runs. Finished runs are read, unfinished ones resumed.
    results
        Folder for the tables of results. [default: OUT/claims/SCALE]
    jobs
        Processes side by side. [default: up to one per core]
    robustness
        Repeat with width, learning rate and rewind step halved and doubled.
    """
    from sparsight.cli.views._claims import claims_table, findings_view, run_notice
    from sparsight.reproduce import Studies, reproduce as reproduce_claim, select_claims, write_table

    console = terminal()
    if not claims:
        console.print(claims_table(select_claims().values()))
        return
    chosen = select_claims(() if claims == ("all",) else claims)
    studies = Studies(
        scale,
        out,
        jobs=jobs,
        on_study=lambda name, path: console.print(run_notice(name, path), soft_wrap=True),
    )
    for claim in chosen.values():
        outcome = reproduce_claim(claim, studies, robustness=robustness)
        console.print(findings_view(outcome))
        path = write_table(outcome, results or out / "claims" / scale)
        console.print(f"table: {path}", soft_wrap=True)
