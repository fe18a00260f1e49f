"""Subjects of a report: the conditions of one run, or of several side by side, and their summaries."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.figures import CATALOGUE, MOST_OWN, Words, own_quantities, words_of
from sparsight.store import Run, intervals_by_level

_TINY = 1e-12  # a network that is pruned to nothing has density 0, which has no logarithm


@dataclass(frozen=True, eq=False)
class Subject:
    """One condition of one run, under its name in the report."""

    name: str  # the condition; with several runs, ``run: condition``
    run: Run
    condition: str  # name within the run
    reference: str | None  # name of the subject that is subtracted; None for the first subject of all


class Summaries:
    """Summaries of one or several runs, one layer at a time; every interval is computed once.

    `runs` are the runs at one moment, by name. `subjects` maps names to the subjects with at least one level,
    in the order of the recipes. `frame` joins the frames of all runs, with the subjects' names in the column
    ``condition`` and a column ``seed``.
    `own_quantities` are those of the user's own instruments.
    ``intervals(quantity, layer)`` returns the table of `sparsight.store.intervals_by_level` for all subjects.
    """

    def __init__(self, *runs: Run) -> None:
        self.runs = dict(zip(run_names(runs), [run.at_one_moment() for run in runs], strict=True))
        frames = {name: run.frame() for name, run in self.runs.items()}
        self.subjects = {subject.name: subject for subject in _subjects(self.runs, frames)}
        self.conditions = list(self.subjects)
        # An empty frame has columns of no type: joined with the others, it would turn numbers into objects.
        filled = [name for name in frames if len(frames[name])] or list(frames)[:1]
        self.frame = pd.concat(
            [_renamed(frames[name], name, self.runs[name], len(runs) > 1) for name in filled],
            ignore_index=True,
        )
        self.own_quantities = own_quantities(*self.runs.values())
        self.layers = list(dict.fromkeys(layer for run in self.runs.values() for layer in run.layers()))
        self._grouped: tuple[pd.DataFrame, dict[Any, Any]] | None = None
        self.intervals = functools.cache(self._intervals)

    def compared_levels(self, names: Sequence[str] | None = None) -> dict[str, int]:
        """Return, for each subject, the level with the lowest density that all subjects reached.

        `names` are those of the subjects that are compared, by default all.

        A level counts as reached if every replicate that began has it. Where subjects prune at different
        rates, it is the level whose density is nearest, by ratio (docs/decisions.md, "Conditions and runs are
        compared at the lowest density that all reached").
        """
        names = self.conditions if names is None else names
        if not names:
            return {}
        last = self.frame.groupby(["condition", "replicate"])["level"].max().groupby("condition").min()
        densities = self.frame.groupby(["condition", "level"])["density"].mean()
        reached = {name: densities[name].loc[: int(last[name])] for name in names}
        target = max(of_one.min() for of_one in reached.values())
        return {
            name: int(of_one.index[np.argmin(np.abs(np.log((of_one + _TINY) / (target + _TINY))))])
            for name, of_one in reached.items()
        }

    def last_level(self, condition: str) -> int:
        """Return the last level that any replicate of a subject reached."""
        return int(self.frame.loc[self.frame["condition"] == condition, "level"].max())

    def density(self, condition: str, level: int) -> float:
        """Return the density of a subject at a level, averaged over replicates."""
        rows = self.frame[(self.frame["condition"] == condition) & (self.frame["level"] == level)]
        return float(rows["density"].mean())

    def curves(self) -> list[Words]:
        """Return the quantities drawn over density: the catalogue's, then those of own instruments."""
        return [*map(words_of, CATALOGUE.curves), *self.own_quantities[:MOST_OWN]]

    def values(self, quantity: str, layer: str, condition: str, level: int) -> pd.Series:
        """Return the values of a quantity, indexed by the replicates' seeds; empty if it was not measured."""
        rows = self._rows(quantity, layer)
        chosen = rows[(rows["condition"] == condition) & (rows["level"] == level)]
        return chosen.set_index("seed")["value"]

    def has(self, quantity: str, layer: str) -> bool:
        """Return whether a quantity has at least one defined value in a layer."""
        return bool(self._rows(quantity, layer)["value"].notna().any())

    def _rows(self, quantity: str, layer: str) -> pd.DataFrame:
        """Return the rows of one quantity. To compare all names each time takes longer."""
        if self._grouped is None or self._grouped[0] is not self.frame:
            places: Mapping[Any, Any] = self.frame.groupby(["quantity", "layer"], sort=False).indices
            self._grouped = self.frame, dict(places)
        return self.frame.take(self._grouped[1].get((quantity, layer), np.arange(0)))

    def _intervals(self, quantity: str, layer: str) -> pd.DataFrame:
        return intervals_by_level(self._rows(quantity, layer), quantity, layer)


def run_names(runs: Sequence[Run]) -> list[str]:
    """Return distinct short names: the recipes', else the folders', else the recipes' with numbers."""
    for names in ([run.recipe.name for run in runs], [run.path.resolve().name for run in runs]):
        if len(set(names)) == len(names):
            return names
    seen: Counter[str] = Counter()
    numbered = []
    for run in runs:
        seen[run.recipe.name] += 1
        numbered.append(f"{run.recipe.name} ({seen[run.recipe.name]})")
    return numbered


def check_distinct(runs: Sequence[Run]) -> None:
    """Refuse to compare no run at all, or a run with itself.

    Raises
    ------
    InputError
        If there is no run, or one is given twice.
    """
    if not runs:
        raise InputError("no run is given; name at least one run directory")
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise InputError("a run is given twice; name each run once")


def run_around(path: Path, runs: Sequence[Run]) -> Path | None:
    """Return the folder of the run in which a path lies, if it lies in one of them."""
    around = (run.path for run in runs if path.absolute().is_relative_to(run.path.absolute()))
    return next(around, None)


def _subjects(runs: dict[str, Run], frames: dict[str, pd.DataFrame]) -> list[Subject]:
    """Return the subjects; the reference is the same condition of the first run, or its own run's first."""
    found: list[Subject] = []
    in_first_run: dict[str, str] = {}  # condition → name of its subject
    for place, (label, run) in enumerate(runs.items()):
        present = set(frames[label]["condition"])
        own: list[str] = []
        for condition in (each for each in run.recipe.condition_names() if each in present):
            name = _name(label, condition, len(runs) > 1)
            fallbacks = [*own[:1], *(subject.name for subject in found[:1])]
            reference = in_first_run.get(condition) or next(iter(fallbacks), None)
            found.append(Subject(name, run, condition, reference))
            own.append(name)
        if place == 0:
            in_first_run = {subject.condition: subject.name for subject in found}
    return found


def _renamed(frame: pd.DataFrame, label: str, run: Run, with_label: bool) -> pd.DataFrame:
    seeds = [run.recipe.replicate_seed(int(replicate)) for replicate in frame["replicate"]]
    names = [_name(label, condition, with_label) for condition in frame["condition"]]
    return frame.assign(condition=names, seed=np.array(seeds, dtype=object))


def _name(label: str, condition: str, with_label: bool) -> str:
    return f"{label}: {condition}" if with_label else condition
