"""From a claim to its verdict: run its studies, or find them run, and look at what they say."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sparsight.reproduce._claim import Claim, Finding, find, verdict_of
from sparsight.reproduce._one_neuron import one_neuron_results
from sparsight.reproduce._study import (
    Scale,
    load_study,
    outside_accuracy_band,
    results_of,
    run_path,
    variants_of,
)
from sparsight.reproduce._verdict import Verdict
from sparsight.run import OnLevel, run_recipe
from sparsight.store import Run, environment

_NO_RECIPE = "one-neuron"
"""The one study that is no run of a recipe: nothing is pruned in it."""


@dataclass(frozen=True)
class StudyFacts:
    """What a table should say of the runs behind it.

    Attributes
    ----------
    name, variant : str
    recipe_hash : str
    seeds : tuple of int
    accuracy : dict
        Condition → mean test accuracy of the dense network.
    out_of_band : dict
        The same of conditions where it is outside 0.8 … 0.99.
    failures : dict
        ``condition/replicate`` → why its training ended early.
    environment : dict
        Versions and machine, as the run recorded them when it began.
    """

    name: str
    variant: str
    recipe_hash: str
    seeds: tuple[int, ...]
    accuracy: dict[str, float]
    out_of_band: dict[str, float]
    failures: dict[str, str]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a claim at a scale.

    Attributes
    ----------
    claim : Claim
    scale : {"smoke", "laptop", "paper"}
    findings : list of Finding
    verdict : {"supported", "contradicted", "undecided"}
        On the decisive predictions.
    studies : list of StudyFacts
    curves : dict
        ``study/quantity`` → condition → values over (replicate, level), with ``density`` beside.
    """

    claim: Claim
    scale: Scale
    findings: list[Finding]
    verdict: Verdict
    studies: list[StudyFacts]
    curves: dict[str, dict[str, dict[str, Any]]]


class Studies:
    """The studies at one scale: each run once and read once, whichever claims ask.

    Parameters
    ----------
    scale : {"smoke", "laptop", "paper"}
    folder : Path
        Where the runs lie, each in a directory named by its recipe and the recipe's hash.
    jobs : int, optional
    on_level : callable, optional
    on_study : callable, optional
        ``on_study(name, path)`` before a study is run.
    """

    def __init__(
        self,
        scale: Scale,
        folder: Path,
        *,
        jobs: int | None = None,
        on_level: OnLevel | None = None,
        on_study: Callable[[str, Path], None] | None = None,
    ) -> None:
        self.scale = scale
        self._folder, self._jobs = folder, jobs
        self._on_level, self._on_study = on_level, on_study
        self._read: dict[tuple[str, str], tuple[StudyFacts, xr.Dataset]] = {}

    def get(self, name: str, variant: str = "") -> tuple[StudyFacts, xr.Dataset]:
        """Return a study's facts and results, after running what is missing of it.

        Raises
        ------
        InputError
            If the study cannot be run here.
        """
        key = (name, variant)
        if key not in self._read:
            self._read[key] = self._simulated() if name == _NO_RECIPE else self._run(name, variant)
        return self._read[key]

    def _run(self, name: str, variant: str) -> tuple[StudyFacts, xr.Dataset]:
        recipe = load_study(name, self.scale, variant)
        path = run_path(recipe, self._folder)
        if self._on_study is not None:
            self._on_study(recipe.name, path)
        directory = run_recipe(recipe, path, jobs=self._jobs, on_level=self._on_level)
        results = results_of(Run(directory))
        dense = results.test_accuracy.isel(level=0).mean("replicate")
        facts = StudyFacts(
            name,
            variant,
            recipe.digest(),
            tuple(results.attrs["seeds"]),
            {str(c): float(dense.sel(condition=c)) for c in results.condition.values},
            outside_accuracy_band(results),
            {f"{c}/{r}": reason for (c, r), reason in directory.failures().items()},
            json.loads((path / "environment.json").read_text(encoding="utf-8")),
        )
        return facts, results

    def _simulated(self) -> tuple[StudyFacts, xr.Dataset]:
        if self._on_study is not None:
            self._on_study(_NO_RECIPE, self._folder)
        settings, results = one_neuron_results(self.scale, self._folder)
        seeds = tuple(results.attrs["seeds"])
        return StudyFacts(_NO_RECIPE, "", settings.digest(), seeds, {}, {}, {}, environment()), results


def reproduce(claim: Claim, studies: Studies, *, robustness: bool = True) -> Outcome:
    """Run what a claim needs, and return its verdict with all that it rests on.

    Parameters
    ----------
    claim : Claim
    studies : Studies
    robustness : bool
        Whether predictions marked robust are repeated on the variants of their study.

    Raises
    ------
    InputError
        If a study cannot be run here.
    """
    findings = [find(prediction, studies.get(prediction.study)[1]) for prediction in claim.predictions]
    facts = [studies.get(name)[0] for name in claim.studies()]
    if robustness:
        for name, variant in _variants(claim, studies.scale):
            variant_facts, results = studies.get(name, variant)
            facts.append(variant_facts)
            findings += [
                find(prediction, results, variant)
                for prediction in claim.predictions
                if prediction.robust and prediction.study == name
            ]
    curves = {
        f"{study}/{quantity}": _curve(studies.get(study)[1], quantity) for study, quantity in claim.curves
    }
    return Outcome(claim, studies.scale, findings, verdict_of(findings), facts, curves)


def _variants(claim: Claim, scale: Scale) -> Iterator[tuple[str, str]]:
    robust = dict.fromkeys(p.study for p in claim.predictions if p.robust)
    for study in robust:
        for variant in variants_of(study, scale):
            yield study, variant


def _curve(results: xr.Dataset, quantity: str) -> dict[str, dict[str, Any]]:
    """Return, by condition, density over levels and values over (replicate, level), None for NaN."""
    found = {}
    for condition in results.condition.values:
        here = results.sel(condition=condition)
        values = here[quantity].transpose("replicate", "level").to_numpy()
        density = here.density.transpose("replicate", "level").to_numpy()
        exists = ~np.isnan(density).all(axis=0)
        found[str(condition)] = {
            "density": [round(float(d), 6) for d in np.nanmean(density[:, exists], axis=0)],
            "values": [_plain(row[exists]) for row in values],
        }
    return found


def _plain(row: Sequence[float] | np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in row]
