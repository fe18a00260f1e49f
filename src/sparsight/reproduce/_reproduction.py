"""From a claim to its verdict: run its studies where needed, and evaluate its predictions."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.measure import check_rule_learning, mean_of_defined
from sparsight.recipe import Recipe
from sparsight.reproduce._bandit import bandit_results
from sparsight.reproduce._claim import Claim, Finding, corrected, find, verdict_of
from sparsight.reproduce._ensemble_results import with_ensembles
from sparsight.reproduce._mask_similarity import with_mask_overlaps
from sparsight.reproduce._one_neuron import one_neuron_results
from sparsight.reproduce._rules import RULE_SETTINGS, with_rules
from sparsight.reproduce._sample_complexity import sample_complexity_results
from sparsight.reproduce._study import (
    SCALES,
    DataSets,
    Scale,
    cost_of,
    data_sets_of,
    load_study,
    outside_accuracy_band,
    results_of,
    variants_of,
)
from sparsight.reproduce._verdict import ClaimVerdict
from sparsight.run import run_recipe
from sparsight.store import Run, environment, open_run


class _Settings(Protocol):
    def digest(self) -> str: ...


_SIMULATED: Mapping[str, Callable[[str, Path], tuple[_Settings, xr.Dataset]]] = {
    "one-neuron": one_neuron_results,
    "sample-complexity": sample_complexity_results,
    "bandit": bandit_results,
}
"""Studies that are not runs of a recipe: no task is learned in them, or nothing is pruned."""

_COMPUTED: Mapping[str, Callable[[xr.Dataset, Run, Scale], xr.Dataset]] = {
    "mask_overlap": lambda results, run, _: with_mask_overlaps(results, run),
    "ensemble": lambda results, run, _: with_ensembles(results, run),
    "rules": lambda results, run, scale: with_rules(results, run, RULE_SETTINGS[scale]),
}
"""Family of quantities, as in `Claim.computed` → results with them."""

_CHECKS: Mapping[str, Callable[[], None]] = {"rules": check_rule_learning}
"""Family of quantities → what has to be installed for them."""


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """Facts about the runs of a study, for the result table."""

    name: str
    variant: str  # empty for the study itself
    recipe_hash: str
    seeds: tuple[int, ...]  # one per replicate
    accuracy: dict[str, float]  # condition → mean test accuracy of the dense network
    out_of_band: dict[str, float]  # the entries of `accuracy` outside 0.8 … 0.99
    failures: dict[str, str]  # ``condition/replicate`` → why its training ended early
    environment: dict[str, Any]  # versions and machine, recorded when the run began
    data_sets: DataSets  # whether the replicates share one data set
    cost: dict[str, float]  # ``train_seconds`` and ``measure_seconds`` of the runs; empty if not recorded


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a claim at a scale.

    Attributes
    ----------
    findings : list of Finding
        One per prediction and variant.
        Verdicts are corrected for the number of decisive predictions.
    verdict : {"supported", "contradicted", "equivalent", "mixed", "undecided"}
        Follows from the decisive predictions.
    studies : list of StudyFacts
        One per study and variant.
    curves : dict
        ``study/quantity`` → condition → ``density`` over levels and ``values`` over (replicate, level).
    """

    claim: Claim
    scale: Scale
    findings: list[Finding]
    verdict: ClaimVerdict
    studies: list[StudyFacts]
    curves: dict[str, dict[str, dict[str, Any]]]


class Studies:
    """The studies at one scale, each run once and read once, however many claims share it.

    Parameters
    ----------
    scale : {"smoke", "laptop", "paper"}
        Size of the studies; only "laptop" and "paper" are large enough for conclusions.
    folder : Path
        Holds the runs, each in a directory named by its recipe and the recipe's hash.
    jobs : int, optional
        As for `sparsight.run_recipe`.
    on_study : callable, optional
        Called as ``on_study(name, path)`` before a study is run.

    Raises
    ------
    InputError
        If the scale is unknown.
    """

    def __init__(
        self,
        scale: str,
        folder: Path,
        *,
        jobs: int | None = None,
        on_study: Callable[[str, Path], None] | None = None,
    ) -> None:
        if scale not in SCALES:
            raise InputError(f"scale is {scale!r}; {', '.join(SCALES)} are allowed")
        self.scale: Scale = scale
        self._folder, self._jobs, self._on_study = folder, jobs, on_study
        self._read: dict[tuple[str, str], tuple[StudyFacts, xr.Dataset]] = {}

    def get(self, name: str, variant: str = "") -> tuple[StudyFacts, xr.Dataset]:
        """Return the facts and results of a study; run what is missing of it first."""
        key = (name, variant)
        if key not in self._read:
            self._read[key] = self._simulated(name) if name in _SIMULATED else self._run(name, variant)
        return self._read[key]

    def results(self, claim: Claim, name: str, variant: str = "") -> xr.Dataset:
        """Return the results of a study with all that the claim reads."""
        for family in claim.computed:
            _CHECKS.get(family, lambda: None)()  # before the study is run
        facts, results = self.get(name, variant)
        for family in claim.computed:
            if not any(str(each).startswith(f"{family}.") for each in results):
                run = open_run(self._path(load_study(name, self.scale, variant)))
                results = _COMPUTED[family](results, run, self.scale)
                self._read[name, variant] = facts, results
        return results

    def _path(self, recipe: Recipe) -> Path:
        # Claims that share the recipe share the directory.
        return self._folder / f"{recipe.name}-{recipe.digest()[:8]}"

    def _run(self, name: str, variant: str) -> tuple[StudyFacts, xr.Dataset]:
        recipe = load_study(name, self.scale, variant)
        path = self._path(recipe)
        if self._on_study is not None:
            self._on_study(recipe.name, path)
        directory = run_recipe(recipe, path, jobs=self._jobs)
        run = Run(directory)
        results = results_of(run)
        dense = results.test_accuracy.isel(level=0).mean("replicate")
        facts = StudyFacts(
            name=name,
            variant=variant,
            recipe_hash=recipe.digest(),
            seeds=tuple(results.attrs["seeds"]),
            accuracy={str(c): float(dense.sel(condition=c)) for c in results.condition.values},
            out_of_band=outside_accuracy_band(results),
            failures={f"{c}/{r}": reason for (c, r), reason in directory.failures().items()},
            environment=json.loads((path / "environment.json").read_text(encoding="utf-8")),
            data_sets=data_sets_of(recipe),
            cost=cost_of(run),
        )
        return facts, results

    def _simulated(self, name: str) -> tuple[StudyFacts, xr.Dataset]:
        if self._on_study is not None:
            self._on_study(name, self._folder)
        settings, results = _SIMULATED[name](self.scale, self._folder)
        facts = StudyFacts(
            name=name,
            variant="",
            recipe_hash=settings.digest(),
            seeds=tuple(results.attrs["seeds"]),
            accuracy={},
            out_of_band={},
            failures={},
            environment=environment(),
            data_sets="fresh each replicate",
            cost={},
        )
        return facts, results


def reproduce(claim: Claim, studies: Studies, *, robustness: bool = True) -> Outcome:
    """Run the studies of a claim, and return its verdict with the evidence.

    Parameters
    ----------
    studies : Studies
        Runs each study that is missing.
    robustness : bool
        Whether to repeat the predictions marked robust on the variants of their study.

    Raises
    ------
    InputError
        If a study cannot be run here.
    """
    findings = [find(each, studies.results(claim, each.study)) for each in claim.predictions]
    facts = [studies.get(name)[0] for name in claim.studies()]
    if robustness:
        for name, variant in _variants(claim, studies.scale):
            facts.append(studies.get(name, variant)[0])
            results = studies.results(claim, name, variant)
            findings += [
                find(prediction, results, variant)
                for prediction in claim.predictions
                if prediction.robust and prediction.study == name
            ]
    curves = {
        f"{study}/{quantity}": _curve(studies.get(study)[1], quantity, claim.curve_conditions)
        for study, quantity in claim.curves
    }
    return Outcome(
        claim=claim,
        scale=studies.scale,
        findings=corrected(findings),
        verdict=verdict_of(findings),
        studies=facts,
        curves=curves,
    )


def _variants(claim: Claim, scale: Scale) -> Iterator[tuple[str, str]]:
    robust = dict.fromkeys(p.study for p in claim.predictions if p.robust)
    for study in robust:
        for variant in variants_of(study, scale):
            yield study, variant


def _curve(results: xr.Dataset, quantity: str, conditions: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return density over levels and values over (replicate, level) by condition; None stands for NaN."""
    found = {}
    for condition in conditions or results.condition.values:
        here = results.sel(condition=condition)
        values = here[quantity].transpose("replicate", "level").to_numpy()
        density = here.density.transpose("replicate", "level").to_numpy()
        exists = ~np.isnan(density).all(axis=0)
        found[str(condition)] = {
            "density": [round(float(d), 6) for d in mean_of_defined(density[:, exists], axis=0)],
            "values": [_plain(row[exists]) for row in values],
        }
    return found


def _plain(row: Sequence[float] | np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in row]
