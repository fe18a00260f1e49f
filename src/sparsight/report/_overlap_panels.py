"""Panels on how alike masks and representations are, if `sparsight overlap` has compared them."""

from collections.abc import Iterator

import pandas as pd

from sparsight.figures import plot_mask_overlaps, plot_over_density
from sparsight.measure import mean_of_defined
from sparsight.report._panels import Panel
from sparsight.report._subjects import Summaries
from sparsight.store import intervals_by_level, read_overlap

_PAIRS = {
    "seeds": (
        "two seeds of a condition",
        "Pairs of replicates of one condition, at the same level; the mean is over all pairs, dots are means "
        "over the pairs of one replicate, and the band is the jackknife's 95 % interval.",
    ),
    "conditions": (
        "the first condition and each other one",
        "Pairs of conditions at the same seed and level; bands are Student's 95 % intervals over replicates.",
    ),
    "runs": (
        "two runs",
        "The same condition, replicate and level of both runs; bands are Student's 95 % intervals over "
        "replicates.",
    ),
}
_MATCHED = (
    "Units are matched so that the overlap is largest, and those of the random masks likewise, so that 0 is "
    "still chance."
)
_UNMATCHED = "Units are compared by their place in the layer."
_CHANCE = (
    "Weights in both masks over weights in either, minus the same for random masks that keep every unit's "
    "fan-in and every input's fan-out."
)


def overlap_panels(summaries: Summaries, *, legend: bool = True) -> Iterator[Panel]:
    """Yield the panels of every run whose masks have been compared."""
    for name, run in summaries.runs.items():
        stored = read_overlap(run)
        if stored is None:
            continue
        label = f"{name}: " if len(summaries.runs) > 1 else ""
        overlaps, similarities = stored
        yield from mask_panels(overlaps, label, legend=legend)
        yield from similarity_panels(similarities, label, legend=legend)


def mask_panels(overlaps: pd.DataFrame, label: str = "", *, legend: bool = True) -> Iterator[Panel]:
    """Yield the excess overlap of every layer and kind of pair, with units as they stand and matched."""
    for layer in dict.fromkeys(overlaps["layer"]):
        for between, (words, caption) in _PAIRS.items():
            chosen = overlaps[(overlaps["layer"] == layer) & (overlaps["between"] == between)]
            for matched in (False, True):
                if not len(chosen[(chosen["matched"] == matched) & (chosen["null"] == "configuration")]):
                    continue
                units = "units matched" if matched else "units as they stand"
                yield Panel(
                    f"{label}overlap-{layer}-{between}-{'matched' if matched else 'plain'}",
                    f"{label}Overlap of masks of {words}, {layer}, {units}",
                    plot_mask_overlaps(chosen, between=between, matched=matched, layer=layer, legend=legend),
                    f"{_CHANCE} {_MATCHED if matched else _UNMATCHED} {caption}",
                )


def similarity_panels(similarities: pd.DataFrame, label: str = "", *, legend: bool = True) -> Iterator[Panel]:
    """Yield the similarity of every layer's representation to that of the dense network."""
    for layer in dict.fromkeys(similarities["layer"]):
        table = intervals_by_level(similarities, "cka_with_dense", layer)
        control = similarities[
            (similarities["layer"] == layer) & (similarities["quantity"] == "cka_with_another_seed")
        ]["value"].to_numpy(float)
        by_chance = round(mean_of_defined(control), 3)
        ax = plot_over_density(
            table,
            ylabel="CKA with the dense network",
            null=None if by_chance != by_chance else by_chance,
            null_label="another seed",
            legend=legend,
        )
        yield Panel(
            f"{label}cka-{layer}",
            f"{label}Representations of pruned and dense networks, {layer}",
            ax,
            "Debiased linear CKA of the layer's pre-activations on test samples, with those of level 0 of "
            "the same replicate; 1: the same up to rotation and scale. Dashed: dense networks of two seeds "
            "on the same samples, which share the task and no weights.",
        )
