"""The first screen: a sentence a condition, the same units in every condition, and two curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsight.figures import evenly_spaced, plot_over_density, words_of
from sparsight.instruments import NETWORK
from sparsight.measure import Interval, student_interval
from sparsight.report._evidence import Evidence
from sparsight.report._findings import locality_intervals, locality_word
from sparsight.report._mosaics import Picture, mosaic_of
from sparsight.report._panels import Panel
from sparsight.report._subjects import Summaries

_UNITS = 12
_CURVES = ("locality.attained_share", "locality.near_configuration", "locality.radius_of_gyration")
"""The first of them that was measured is drawn beside the accuracy."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the page says before anything else."""

    sentences: dict[str, str]  # condition → what it is like at the compared level
    pictures: list[Picture]  # one a condition, of the same units
    units: str  # which units, and by what rule they were chosen; empty without pictures
    curves: list[Panel]


def answer(summaries: Summaries, layer: str, gathered: Sequence[Evidence]) -> Answer:
    """Return the answer for one layer, at the lowest density that all subjects reached."""
    levels = summaries.compared_levels()
    shown = [each for each in gathered if each.compared_weight is not None]
    units, words = chosen_units([each.compared_weight for each in shown if each.compared_weight is not None])
    return Answer(
        sentences={name: _sentence(summaries, layer, name, level) for name, level in levels.items()},
        pictures=[
            mosaic_of(each, each.compared_weight[units], _words(summaries, each))
            for each in shown
            if each.compared_weight is not None and len(units)
        ],
        units=words if shown else "",
        curves=list(_curves(summaries, layer)),
    )


def chosen_units(weights: Sequence[np.ndarray]) -> tuple[np.ndarray, str]:
    """Return at most twelve units that keep an input in every condition, and the rule in words.

    Parameters
    ----------
    weights : sequence of numpy.ndarray, (unit, input)
        Of each condition, 0 where pruned.

    Returns
    -------
    units : numpy.ndarray of int
        Evenly spaced by index: the rule knows nothing of where the kept inputs lie.
    words : str
        A sentence.
    """
    num_units = min(map(len, weights), default=0)
    kept = np.array([(each[:num_units] != 0).any(axis=1) for each in weights], bool)
    candidates = np.flatnonzero(kept.all(axis=0)) if len(weights) else np.arange(0)
    units = candidates[evenly_spaced(len(candidates), _UNITS)]
    if not len(units):
        return units, "No unit keeps an input in every condition."
    return units, (
        f"Units {', '.join(map(str, units))}: evenly spaced by index among the {len(candidates)} of "
        f"{num_units} that keep an input in every condition, whatever they look like."
    )


def _words(summaries: Summaries, evidence: Evidence) -> str:
    level = evidence.compared_level
    return f"level {level}, density {100 * summaries.density(evidence.condition, level):.3g} %"


def _sentence(summaries: Summaries, layer: str, name: str, level: int) -> str:
    start = f"at {100 * summaries.density(name, level):.3g} % density"
    parts = []
    if summaries.has("locality.attained_share", layer):
        found = locality_intervals(summaries, layer, name, level)
        numbers = ", ".join(
            f"{words_of(quantity).title.lower()} {_number(interval, quantity)}"
            for quantity, interval in found.items()
        )
        parts.append(f"receptive fields {locality_word(found)} ({numbers})")
    accuracy = _number(_accuracy(summaries, name, level), "test_accuracy")
    dense = f", dense {_accuracy(summaries, name, 0).mean:.3f}" if level else ""
    parts.append(f"accuracy {accuracy}{dense}")
    return f"{start}: {'; '.join(parts)}."


def _accuracy(summaries: Summaries, name: str, level: int) -> Interval:
    return student_interval(summaries.values("test_accuracy", NETWORK, name, level).to_numpy(np.float64))


def _number(interval: Interval, quantity: str) -> str:
    if np.isnan(interval.mean):
        return "undefined"
    mean, low, high = (
        f"{value:z.{words_of(quantity).decimals}f}".replace("-", "−")
        for value in (interval.mean, interval.low, interval.high)
    )
    return mean if np.isnan(interval.low) else f"{mean} [{low}, {high}]"


def _curves(summaries: Summaries, layer: str) -> list[Panel]:
    local = [quantity for quantity in _CURVES if summaries.has(quantity, layer)][:1]
    panels = []
    for quantity in (*local, "test_accuracy"):
        words = words_of(quantity)
        where = words.layer(layer)
        if summaries.has(quantity, where):
            table = summaries.intervals(quantity, where)
            ax = plot_over_density(
                table, ylabel=words.short_label or words.label, null=words.null, legend=False
            )
            caption = f"{words.meaning[:1].upper()}{words.meaning[1:]}."
            panels.append(Panel(f"answer-{quantity}", words.title, ax, caption))
    return panels
