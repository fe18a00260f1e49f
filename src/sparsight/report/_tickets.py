"""Is it a ticket: accuracy at matched density against the ticket, random pruning and the dense network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.measure import Interval, paired_difference, student_interval
from sparsight.prune import WINDOWS, PruningSettings
from sparsight.report._subjects import Summaries
from sparsight.store import Run

DENSE = "dense"
"""Name of the dense network as a row and as a reference."""

ACCURACY, BARRIER = "test_accuracy", "stability.error_barrier"

_TOLERANCE = 0.1
"""Largest relative distance of a level's density from the one that is asked for."""

_REGROWTH = {"none": [], "random": ["regrown at random"], "gradient": ["regrown by gradient"]}
_WEIGHTS = {"fresh": "fresh weights", "signs": "fresh sizes, own signs", "constant": "one size, own signs"}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One number of a condition, or its paired difference to a reference."""

    condition: str
    masks: str
    level: int
    density: float
    quantity: str
    reference: str
    mean: float
    low: float
    high: float
    num_replicates: int
    num_missing: int


def ticket_table(run: Run, *, density: float | None = None) -> pd.DataFrame:
    """Compare the conditions of a run at one density, paired by seed.

    References are the ticket (the first condition that finds its masks by a criterion other than ``random``,
    or by regrowth), random pruning (the first condition with that criterion and without regrowth, if there is
    one) and the dense network (level 0 of the ticket).

    Parameters
    ----------
    density : float, optional
        Kept weights / prunable weights. Each condition is read at its level nearest to it, within 10 %; a
        condition without such a level is left out. Default: the density of the ticket that is nearest to the
        lowest density that all conditions reached.

    Returns
    -------
    pandas.DataFrame
        One row for each number: ``condition`` (``dense`` for the dense network), ``masks`` (where they come
        from, in words), ``level``, ``density``, ``quantity`` (``test_accuracy``, and where the instrument
        ``stability`` measured it ``stability.error_barrier``), ``reference`` (empty for the value itself,
        else the condition that is subtracted), ``mean``, ``low``, ``high`` (Student's 95 % interval over
        replicates, of pairs of equal seed for differences), ``num_replicates``, ``num_missing``. The
        attribute ``ticket`` names the ticket. Conditions on other data are compared as the others are: their
        differences say nothing of masks alone.

    Raises
    ------
    InputError
        If the density is not between 0 and 1, or the run has not reached it.
    """
    summaries = Summaries(run)
    if not summaries.conditions:
        raise InputError(f"{run.path} holds no level yet; run it first")
    pruning = {name: run.recipe.condition(name).pruning for name in summaries.conditions}
    ticket = _first(pruning, is_random=False) or summaries.conditions[0]
    random = _first(pruning, is_random=True)
    levels = _levels(summaries, run, ticket, density)
    places = {name: (name, level) for name, level in levels.items()} | {DENSE: (ticket, 0)}
    references = [name for name in (ticket, random) if name in levels]
    rows: list[_Row] = []
    for name, (condition, level) in places.items():
        masks = "all weights" if name == DENSE else masks_in_words(pruning[name])
        for quantity in (ACCURACY, BARRIER):
            if not summaries.has(quantity, NETWORK):
                continue
            values = summaries.values(quantity, NETWORK, condition, level)
            facts = {
                "condition": name,
                "masks": masks,
                "level": level,
                "density": summaries.density(condition, level),
                "quantity": quantity,
            }
            if not values.notna().any():
                continue
            rows.append(_row(student_interval(values.to_numpy(np.float64)), "", facts))
            for reference in (*references, DENSE):
                of_reference = summaries.values(quantity, NETWORK, *places[reference])
                if reference != name and of_reference.notna().any():
                    rows.append(_row(_paired(values, of_reference), reference, facts))
    table = pd.DataFrame([asdict(row) for row in rows])
    table.attrs["ticket"] = ticket
    return table


def _counts_in_words(pruning: PruningSettings) -> list[str]:
    words = ["whole units"] if pruning.granularity == "unit" else []
    if isinstance(pruning.distribution, dict):
        return [*words, "densities by layer"]
    return [*words, "erk"] if pruning.distribution == "erk" else words


def masks_in_words(pruning: PruningSettings) -> str:
    """Return where a condition has its masks from, and what becomes of them: ``imp's, shuffled by unit``."""
    if pruning.masks_from is None:
        found = [pruning.criterion, pruning.schedule.replace("_", " "), *_counts_in_words(pruning)]
        return ", ".join([*found, *_REGROWTH[pruning.regrowth]])
    if pruning.masks_from == WINDOWS:
        words = ["compact windows"]
    else:
        seed = " of another seed" if pruning.masks_replicate_offset else ""
        words = [f"{pruning.masks_from}'s{seed}"]
    return ", ".join([*words, *rearranged_in_words(pruning), *weights_in_words(pruning)])


def rearranged_in_words(pruning: PruningSettings) -> list[str]:
    """Return how masks are permuted before they are used, in words; empty if they are not."""
    how = pruning.rearranged.replace("_", " and ")
    return [] if pruning.rearranged == "none" else [f"shuffled by {how}"]


def weights_in_words(pruning: PruningSettings) -> list[str]:
    """Return which weights masks are trained from, in words; empty if it is the rewound ones."""
    return [] if pruning.weights == "rewound" else [_WEIGHTS[pruning.weights]]


def _levels(summaries: Summaries, run: Run, ticket: str, density: float | None) -> dict[str, int]:
    """Return the level at which each condition is read; conditions without one are missing."""
    if density is None:
        compared = summaries.compared_levels()
        if compared[ticket] == 0:
            behind = [name for name in compared if len(_reached(summaries, name)) == 1]
            raise InputError(
                f"{run.path}: the conditions have no density below 1 in common: {', '.join(behind)} has only "
                "the dense level in some replicate; run it to its end first"
            )
        # The nearest level of a condition may be far from there: one-shot pruning has a single density.
        density = summaries.density(ticket, compared[ticket])
    if not 0 < density <= 1:
        raise InputError(f"density is {density:g}; a share above 0, at most 1, is needed")
    found = {}
    for name in summaries.conditions:
        level = _nearest_level(summaries, name, density)
        if level is not None:
            found[name] = level
    if ticket not in found:
        reached = [f"{value:.3g}" for value in _reached(summaries, ticket)]
        raise InputError(
            f"{run.path}: {ticket} has no level within {_TOLERANCE:.0%} of density {density:g} (it has "
            f"{', '.join(reached)}): choose one of these, or run with a smaller pruning.min_density"
        )
    return found


def _reached(summaries: Summaries, condition: str) -> Sequence[float]:
    """Return the densities of the levels that every replicate of a condition has."""
    rows = summaries.frame[summaries.frame["condition"] == condition]
    last = int(rows.groupby("replicate")["level"].max().min())
    return [summaries.density(condition, level) for level in range(last + 1)]


def _nearest_level(summaries: Summaries, condition: str, density: float) -> int | None:
    distances = np.abs(np.array(_reached(summaries, condition)) / density - 1)
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= _TOLERANCE else None


def _first(pruning: dict[str, PruningSettings], *, is_random: bool) -> str | None:
    """Return the first condition that finds its own masks, at random or by selection."""
    own = (name for name, each in pruning.items() if each.masks_from is None)
    return next((name for name in own if pruning[name].is_random == is_random), None)


def _paired(values: pd.Series, reference: pd.Series) -> Interval:
    return paired_difference(
        values.to_numpy(np.float64),
        reference.to_numpy(np.float64),
        np.array([int(seed) for seed in values.index]),
        np.array([int(seed) for seed in reference.index]),
    )


def _row(interval: Interval, reference: str, facts: dict[str, object]) -> _Row:
    return _Row(
        **facts,  # type: ignore[arg-type]
        reference=reference,
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        num_replicates=interval.num_replicates,
        num_missing=interval.num_missing,
    )
