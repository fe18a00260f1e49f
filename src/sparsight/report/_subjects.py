"""What a page is about: the conditions of one run, or of several side by side, and their summaries."""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsight.store import Run, intervals_by_level

_TINY = 1e-12  # a network may be pruned to nothing, and its density has no logarithm then


@dataclass(frozen=True, eq=False)
class Subject:
    """One condition of one run, under the name that it has on the page.

    Attributes
    ----------
    name : str
        The condition; with several runs, that of its run before it.
    run : Run
    condition : str
        As the run itself calls it.
    reference : str or None
        Name of the subject that differences are taken to; None for the very first.
    """

    name: str
    run: Run
    condition: str
    reference: str | None


class Summaries:
    """The summaries of one or several runs, one layer at a time; each interval is made once.

    Parameters
    ----------
    *runs : Run

    Attributes
    ----------
    runs : dict of str to Run
        By the name that each has on the page.
    frame : pandas.DataFrame
        As from `Run.frame`, with subjects in the column ``condition``, and a column ``seed``.
    layers : list of str
    subjects : dict of str to Subject
        By name; those with at least one level, in the recipes' order.
    conditions : list of str
        Their names.
    """

    def __init__(self, *runs: Run) -> None:
        self.runs = dict(zip(run_names(runs), runs, strict=True))
        frames = {name: run.frame() for name, run in self.runs.items()}
        self.subjects = {subject.name: subject for subject in _subjects(self.runs, frames)}
        self.conditions = list(self.subjects)
        # a frame without rows has no types, and would take them from the others
        filled = [name for name in frames if len(frames[name])] or list(frames)[:1]
        self.frame = pd.concat(
            [_renamed(frames[name], name, self.runs[name], len(runs) > 1) for name in filled],
            ignore_index=True,
        )
        self.layers = list(dict.fromkeys(layer for run in runs for layer in run.layers()))
        self.intervals = functools.cache(self._intervals)

    def compared_levels(self) -> dict[str, int]:
        """Return the level at which each subject is compared: at the lowest density that all reached.

        A level counts as reached if every replicate that began has it. Where subjects prune at other rates,
        it is the level whose density is nearest, by ratio.
        """
        if not self.conditions:
            return {}
        last = self.frame.groupby(["condition", "replicate"])["level"].max().groupby("condition").min()
        densities = self.frame.groupby(["condition", "level"])["density"].mean()
        reached = {name: densities[name].loc[: int(last[name])] for name in self.conditions}
        target = max(of_one.min() for of_one in reached.values())
        return {
            name: int(of_one.index[np.argmin(np.abs(np.log((of_one + _TINY) / (target + _TINY))))])
            for name, of_one in reached.items()
        }

    def last_level(self, condition: str) -> int:
        """Return the last level of a subject in any replicate."""
        return int(self.frame.loc[self.frame["condition"] == condition, "level"].max())

    def density(self, condition: str, level: int) -> float:
        """Return the mean density over replicates."""
        rows = self.frame[(self.frame["condition"] == condition) & (self.frame["level"] == level)]
        return float(rows["density"].mean())

    def values(self, quantity: str, layer: str, condition: str, level: int) -> pd.Series:
        """Return the values of one quantity by the replicates' seeds; empty if it was not measured."""
        chosen = self.frame[
            (self.frame["quantity"] == quantity)
            & (self.frame["layer"] == layer)
            & (self.frame["condition"] == condition)
            & (self.frame["level"] == level)
        ]
        return chosen.set_index("seed")["value"]

    def has(self, quantity: str, layer: str) -> bool:
        """Return whether a quantity has at least one value."""
        chosen = self.frame[(self.frame["quantity"] == quantity) & (self.frame["layer"] == layer)]
        return bool(chosen["value"].notna().any())

    def _intervals(self, quantity: str, layer: str) -> pd.DataFrame:
        return intervals_by_level(self.frame, quantity, layer)


def run_names(runs: Sequence[Run]) -> list[str]:
    """Return a short name for each run, all distinct: recipe, then folder, then the place in the order."""
    for names in ([run.recipe.name for run in runs], [run.path.resolve().name for run in runs]):
        if len(set(names)) == len(names):
            return names
    seen: Counter[str] = Counter()
    numbered = []
    for run in runs:
        seen[run.recipe.name] += 1
        numbered.append(f"{run.recipe.name} ({seen[run.recipe.name]})")
    return numbered


def _subjects(runs: dict[str, Run], frames: dict[str, pd.DataFrame]) -> list[Subject]:
    """Return the subjects; each is compared with its like in the first run, or else with its run's first."""
    found: list[Subject] = []
    likes: dict[str, str] = {}  # condition → its name in the first run
    for place, (label, run) in enumerate(runs.items()):
        present = set(frames[label]["condition"])
        own: list[str] = []
        for condition in (each for each in run.recipe.condition_names() if each in present):
            name = _name(label, condition, len(runs) > 1)
            fallbacks = [*own[:1], *(subject.name for subject in found[:1])]
            reference = likes.get(condition) or next(iter(fallbacks), None)
            found.append(Subject(name, run, condition, reference))
            own.append(name)
        if place == 0:
            likes = {subject.condition: subject.name for subject in found}
    return found


def _renamed(frame: pd.DataFrame, label: str, run: Run, with_label: bool) -> pd.DataFrame:
    seeds = [run.recipe.replicate_seed(int(replicate)) for replicate in frame["replicate"]]
    names = [_name(label, condition, with_label) for condition in frame["condition"]]
    return frame.assign(condition=names, seed=np.array(seeds, dtype=object))


def _name(label: str, condition: str, with_label: bool) -> str:
    return f"{label}: {condition}" if with_label else condition
