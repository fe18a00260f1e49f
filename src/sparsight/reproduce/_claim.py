"""A claim: what it says, the predictions it makes, and how each of them is decided."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.measure import Interval, smallest_detectable_effect, student_interval
from sparsight.reproduce._verdict import Rule, Verdict, combine, judge

Statistic = Callable[[xr.Dataset], np.ndarray]
"""From the stored results of a study to one number a replicate: float64, (replicate,)."""


@dataclass(frozen=True)
class Prediction:
    """One effect that a claim predicts.

    Attributes
    ----------
    name : str
    statement : str
        What the number is, with what no effect would look like.
    study : str
        The runs it is computed from.
    statistic : callable
        Results of the study → one number a replicate. Effects between conditions are differences within a
        seed, so that what the seed decides cancels.
    rule : Rule
    control : callable or None
        The same kind of number where the claim predicts none.
    control_statement : str
        What the control is.
    decisive : bool
        Whether the claim's verdict rests on it. Others are reported beside it.
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


@dataclass(frozen=True)
class Claim:
    """A statement with its predictions.

    Attributes
    ----------
    name : str
        As on the command line.
    statement : str
    source : str
        Who says so.
    predictions : tuple of Prediction
    curves : tuple of (study, quantity)
        What to draw over levels.
    scope : str
        What the verdict is about, and what it is not.
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


@dataclass(frozen=True)
class Finding:
    """What came of a prediction in one study, or in one variant of it.

    Attributes
    ----------
    prediction : Prediction
    variant : str
        Empty for the study itself.
    values : tuple of float
        One a replicate; NaN = none.
    effect : Interval
        Student's 95 % interval over them.
    control : Interval or None
    detectable : float
        The smallest true effect beyond the margin that so many replicates would have found in 80 of 100
        repetitions, given how much they differ; NaN with fewer than two.
    verdict : {"supported", "contradicted", "undecided"}
    """

    prediction: Prediction
    variant: str
    values: tuple[float, ...]
    effect: Interval
    control: Interval | None
    detectable: float
    verdict: Verdict


def find(prediction: Prediction, results: xr.Dataset, variant: str = "") -> Finding:
    """Return what the results of a study say on a prediction.

    Parameters
    ----------
    prediction : Prediction
    results : xarray.Dataset
        As from `sparsight.reproduce._study.results_of`.
    variant : str

    Raises
    ------
    InputError
        If the statistic does not give one number a replicate.
    """
    values = _one_a_replicate(prediction.statistic, results, prediction.name)
    effect = student_interval(values)
    control = None
    if prediction.control is not None:
        control = student_interval(_one_a_replicate(prediction.control, results, prediction.name))
    present = values[~np.isnan(values)]
    detectable = np.nan
    if len(present) > 1:
        detectable = smallest_detectable_effect(float(present.std(ddof=1)), len(present))
    return Finding(
        prediction,
        variant,
        tuple(values.tolist()),
        effect,
        control,
        detectable,
        judge(effect, prediction.rule),
    )


def verdict_of(findings: list[Finding]) -> Verdict:
    """Return the verdict on a claim, from its decisive predictions in the studies themselves."""
    return combine(f.verdict for f in findings if f.prediction.decisive and not f.variant)


def _one_a_replicate(statistic: Statistic, results: xr.Dataset, name: str) -> np.ndarray:
    values = np.asarray(statistic(results), np.float64)
    if values.shape != (results.sizes["replicate"],):
        raise InputError(
            f"the statistic of {name!r} has shape {values.shape}; one number for each of the "
            f"{results.sizes['replicate']} replicates is needed"
        )
    return values
