"""The result table of a claim: one JSON file, enough to write the page without the runs."""

import json
import math
from pathlib import Path
from typing import Any

from sparsight.atomic import write_atomically
from sparsight.measure import Interval
from sparsight.reproduce._claim import Finding, Ratio
from sparsight.reproduce._reproduction import Outcome


def outcome_table(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values: statement, rules, values of every replicate, intervals, verdicts.

    NaN becomes None, and so do the ends of an unbounded interval, which says so. Software
    versions and the seeds of the replicates are included.
    """
    claim = outcome.claim
    data_sets = {facts.name: facts.data_sets for facts in outcome.studies}
    return {
        "claim": claim.name,
        "scale": outcome.scale,
        "statement": claim.statement,
        "source": claim.source,
        "scope": claim.scope,
        "verdict": outcome.verdict,
        "findings": [
            _finding_row(finding) | {"data_sets": data_sets[finding.prediction.study]}
            for finding in outcome.findings
        ],
        "studies": [
            {
                "name": facts.name,
                "variant": facts.variant,
                "recipe_hash": facts.recipe_hash,
                "seeds": [str(seed) for seed in facts.seeds],  # some exceed 2⁵³, which JSON readers round
                "dense_accuracy": {name: round(value, 4) for name, value in facts.accuracy.items()},
                "out_of_accuracy_band": sorted(facts.out_of_band),
                "failures": facts.failures,
                "versions": facts.environment["packages"],
                "started": facts.environment["created"],
                "data_sets": facts.data_sets,
                "cost": facts.cost,
            }
            for facts in outcome.studies
        ],
        "curves": outcome.curves,
    }


def write_table(outcome: Outcome, folder: Path) -> Path:
    """Write an outcome to ``<folder>/<claim>.json``, whole or not at all.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{outcome.claim.name}.json"
    text = json.dumps(outcome_table(outcome), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())
    return path


def _finding_row(finding: Finding) -> dict[str, Any]:
    prediction = finding.prediction
    return {
        "prediction": prediction.name,
        "statement": prediction.statement,
        "study": prediction.study,
        "variant": finding.variant,
        "decisive": prediction.decisive,
        "rule": {
            "expects": prediction.rule.expects,
            "margin": prediction.rule.margin,
            "equivalence": prediction.rule.none,
        },
        "summary": "ratio of means" if isinstance(prediction.statistic, Ratio) else prediction.summary,
        "values": [_number(value) for value in finding.values],
        "effect": _interval_row(finding.effect),
        "control": None if finding.control is None else _interval_row(finding.control),
        "control_statement": prediction.control_statement,
        "smallest_detectable_effect": _number(finding.detectable),
        "num_replicates_needed": _number_needed(finding.num_replicates_needed),
        "p": _number(finding.p),
        "p_adjusted": _number(finding.p_adjusted),
        "verdict_alone": finding.verdict_alone,
        "verdict": finding.verdict,
    }


def _interval_row(interval: Interval) -> dict[str, Any]:
    return {
        "mean": _number(interval.mean),
        "low": _number(interval.low),
        "high": _number(interval.high),
        "num_replicates": interval.num_replicates,
        "num_missing": interval.num_missing,
        "is_unbounded": math.isinf(interval.high - interval.low),
    }


def _number_needed(number: float | None) -> int | str | None:
    return None if number is None else int(number) if math.isfinite(number) else "more than 1000"


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
