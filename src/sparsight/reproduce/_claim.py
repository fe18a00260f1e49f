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
    """One effect that a claim predicts.

    Attributes
    ----------
    statement : str
        The definition of the number, and its value without an effect.
    study : str
        Name of the study whose runs it is computed from.
    statistic : callable
        Results of the study → one number per replicate. Effects between conditions are differences within a
        seed, so that influences of the seed cancel.
    rule : Rule
        How the interval over replicates decides.
    control : callable or None
        The same kind of statistic in a case where the claim predicts no effect.
    control_statement : str
        The definition of the control.
    decisive : bool
        Whether the claim's verdict depends on it. Other predictions are only reported.
    robust : bool
        Whether it is repeated on the variants of the study.
    """

    name: str
    statement: str
    study: str
    statistic: Statistic
    rule: Rule
    control: Statistic | None = None
    control_statement: str = ""
    decisive: bool = True
    robust: bool = False


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
    """The result of a prediction in one study, or in one variant of it.

    Attributes
    ----------
    variant : str
        Empty for the study itself.
    values : tuple of float
        One per replicate; NaN where the replicate has no value.
    effect : Interval
        Student's 95 % interval over the values.
    control : Interval or None
        The same interval of the control, if the prediction has one.
    detectable : float
        The smallest true effect beyond the margin that as many replicates, with the same spread, would detect
        in 80 of 100 repetitions; NaN with fewer than two.
    verdict : {"supported", "contradicted", "undecided"}
        By the prediction's rule.
    """

    prediction: Prediction
    variant: str
    values: tuple[float, ...]
    effect: Interval
    control: Interval | None
    detectable: float
    verdict: Verdict


def find(prediction: Prediction, results: xr.Dataset, variant: str = "") -> Finding:
    """Evaluate a prediction on the results of its study, and return the finding.

    Parameters
    ----------
    prediction : Prediction
    results : xarray.Dataset
        From `sparsight.reproduce._study.results_of`.
    variant : str
        The variant of the study that the results are of; empty for the study itself.

    Raises
    ------
    InputError
        If the statistic does not give one number per replicate.
    """
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
