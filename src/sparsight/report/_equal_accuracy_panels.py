"""Panels of conditions beside random pruning that is as accurate."""

import numpy as np
import pandas as pd

from sparsight.figures import CATALOGUE, plot_over_density, words_of
from sparsight.instruments import NETWORK
from sparsight.report._panels import Panel
from sparsight.report._subjects import Summaries
from sparsight.store import Run, at_equal_accuracy

_HOW = (
    "Minus the value of random pruning at the same test accuracy, interpolated between its levels in each "
    "replicate; bands: Student's 95 % intervals over replicates. A level that random pruning does not match "
    "in accuracy has no mark."
)


def equal_accuracy_panels(summaries: Summaries, *, legend: bool = False) -> list[Panel]:
    """Return what follows accuracy, of each condition beside random pruning of the same data.

    Empty where no condition prunes at random, or none is beside one that does.
    """
    references = _references(summaries)
    panels = []
    for words in map(words_of, CATALOGUE.at_equal_accuracy):
        table = _table(summaries, words.name, references)
        if not np.isfinite(table["mean"].to_numpy(np.float64)).any():
            continue
        title = f"{words.title} at equal accuracy"
        ax = plot_over_density(
            table,
            ylabel="difference from random pruning",
            null=0.0,
            null_label="random pruning",
            legend=legend,
        )
        panels.append(Panel(f"equal-accuracy-{words.name}", title, ax, f"{words.caption} {_HOW}"))
    return panels


def _references(summaries: Summaries) -> dict[str, str]:
    """Return, for each condition, the one of its run that prunes the same data and network at random."""
    found: dict[str, str] = {}
    for name, subject in summaries.subjects.items():
        for other, candidate in summaries.subjects.items():
            if candidate.run is subject.run and _is_random_like(
                subject.run, subject.condition, candidate.condition
            ):
                found.setdefault(name, other)
    return found


def _is_random_like(run: Run, condition: str, other: str) -> bool:
    own, random = run.recipe.condition(condition), run.recipe.condition(other)
    is_like = (own.data, own.network, own.training) == (random.data, random.network, random.training)
    return is_like and random.pruning.is_random and not own.pruning.is_random


def _table(summaries: Summaries, quantity: str, references: dict[str, str]) -> pd.DataFrame:
    """Return the differences of all conditions, NaN of those that have no reference.

    Every condition is in it, so that each has the colour and the levels that it has in other figures.
    """
    table = summaries.intervals(quantity, NETWORK)
    tables = []
    for condition in dict.fromkeys(table["condition"]):
        own = table[table["condition"] == condition]
        if condition in references:
            gaps = at_equal_accuracy(summaries.frame, quantity, condition, references[condition])
            tables.append(gaps.assign(condition=condition))
        else:
            undefined = [(np.nan,) * len(values) for values in own["by_replicate"]]
            tables.append(own.assign(mean=np.nan, low=np.nan, high=np.nan, by_replicate=undefined))
    return pd.concat(tables) if tables else table
