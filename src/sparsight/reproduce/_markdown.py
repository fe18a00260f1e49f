"""Words and cells of the page on the claims, from the rows of result tables."""

from collections.abc import Mapping, Sequence
from typing import Any

ONE_DATA_SET = "†"
"""Marks intervals over seeds that share one data set."""


def estimate_cell(finding: Mapping[str, Any]) -> str:
    """Return the number and interval of a finding, with its kind where it is not a mean."""
    kind = "" if finding["summary"] == "mean" else f", {finding['summary']}"
    return interval_words(finding["effect"]) + kind


def interval_words(row: Mapping[str, Any]) -> str:
    """Return a stored interval as text; without one, with the reason."""
    if row["mean"] is None:
        return "no value"
    if row["is_unbounded"]:
        return f"{row['mean']:.3g} (unbounded)"
    if row["low"] is None:
        return f"{row['mean']:.3g} (no interval)"
    return f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def rule_words(rule: Mapping[str, Any]) -> str:
    """Return a stored rule as text."""
    if rule["expects"] == "within":
        return f"within ±{rule['margin']:g}"
    none = f", none: ±{rule['equivalence']:g}" if rule["equivalence"] else ""
    return f"{rule['expects']} {rule['margin']:g}{none}"


def replicates_cell(finding: Mapping[str, Any]) -> str:
    """Return the number of replicates of a finding, how many are missing, and the mark of one data set."""
    effect = finding["effect"]
    missing = f" ({effect['num_missing']} missing)" if effect["num_missing"] else ""
    mark = ONE_DATA_SET if finding["data_sets"] == "one" else ""
    return f"{effect['num_replicates']}{mark}{missing}"


def p_cell(finding: Mapping[str, Any]) -> str:
    """Return the p-value of a finding; for a decisive one after Holm's correction."""
    p = finding["p_adjusted"] if finding["decisive"] else finding["p"]
    if p is None or finding["p"] is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def detectable_cell(finding: Mapping[str, Any]) -> str:
    """Return the smallest detectable effect and, if the verdict is undecided, the replicates needed."""
    value, needed = finding["smallest_detectable_effect"], finding["num_replicates_needed"]
    text = "" if value is None else f"{value:.2g}"
    if needed is not None and finding["verdict"] == "undecided":
        text += f" (needs {needed})"
    return text


def verdict_cell(finding: Mapping[str, Any]) -> str:
    """Return the verdict on a prediction, and the one before the correction if it was another."""
    verdict, alone = finding["verdict"], finding["verdict_alone"]
    return f"{verdict}" if alone == verdict else f"{verdict} (alone: {alone})"


def words(name: str) -> str:
    """Return a name of a table as words."""
    return name.replace("_", " ")


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, the first of them headings, as a table in Markdown."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
