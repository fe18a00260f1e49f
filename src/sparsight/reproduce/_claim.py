"""Claims: their statements, their predictions, and the findings on each prediction."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.measure import Interval, smallest_detectable_effect, student_interval
from sparsight.reproduce._verdict import Rule, Verdict, combine, judge

Statistic = Callable[[xr.Dataset], np.ndarray]
"""A function from the stored results of a study to one number per replicate: float64, (replicate,)."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One effect that a claim predicts."""

    name: str
    statement: str  # definition of the number, and its value without an effect
    study: str  # name of the study whose runs it is computed from
    # Effects between conditions are differences within a seed, so that influences of the seed cancel.
    statistic: Statistic
    rule: Rule  # how the interval over replicates decides
    control: Statistic | None = None  # the same in a case where the claim predicts no effect
    control_statement: str = ""
    decisive: bool = True  # whether the claim's verdict depends on it; others are only reported
    robust: bool = False  # whether it is repeated on the variants of the study


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement with its predictions.

    Attributes
    ----------
    name : str
        As on the command line.
    source : str
        The paper or authors that make the claim.
    curves : tuple of (study, quantity)
        The quantities to draw over levels.
    scope : str
        The setting to which the verdict applies.
    """

    name: str
    statement: str
    source: str
    predictions: tuple[Prediction, ...]
    curves: tuple[tuple[str, str], ...] = ()
    scope: str = ""

    def studies(self) -> list[str]:
        """Return the names of the studies, in order of first mention."""
        return list(dict.fromkeys(prediction.study for prediction in self.predictions))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of a prediction in one study, or in one variant of it."""

    prediction: Prediction
    variant: str  # empty for the study itself
    values: tuple[float, ...]  # one per replicate; NaN where it has none
    effect: Interval  # Student's 95 % interval over the values
    control: Interval | None
    # Smallest true effect beyond the margin that as many replicates, with the same spread, would detect in 80
    # of 100 repetitions; NaN with fewer than two.
    detectable: float
    verdict: Verdict


def find(prediction: Prediction, results: xr.Dataset, variant: str = "") -> Finding:
    """Evaluate a prediction on the `results_of` its study, or of a variant; return the finding."""
    values = _one_per_replicate(prediction.statistic, results, prediction.name)
    effect = student_interval(values)
    control = None
    if prediction.control is not None:
        control = student_interval(_one_per_replicate(prediction.control, results, prediction.name))
    present = values[~np.isnan(values)]
    detectable = np.nan
    if len(present) > 1:
        detectable = smallest_detectable_effect(float(present.std(ddof=1)), len(present))
    return Finding(
        prediction=prediction,
        variant=variant,
        values=tuple(values.tolist()),
        effect=effect,
        control=control,
        detectable=detectable,
        verdict=judge(effect, prediction.rule),
    )


def verdict_of(findings: list[Finding]) -> Verdict:
    """Return the verdict on a claim: that of its decisive predictions, variants of studies left out."""
    return combine(f.verdict for f in findings if f.prediction.decisive and not f.variant)


def _one_per_replicate(statistic: Statistic, results: xr.Dataset, name: str) -> np.ndarray:
    values = np.asarray(statistic(results), np.float64)
    if values.shape != (results.sizes["replicate"],):
        raise InputError(
            f"the statistic of {name!r} has shape {values.shape}; one number for each of the "
            f"{results.sizes['replicate']} replicates is needed"
        )
    return values
