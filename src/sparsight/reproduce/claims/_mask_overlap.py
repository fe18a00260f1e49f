"""How alike the masks of two seeds are: unit by unit, and as collections of receptive fields."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import FINAL_DENSITY
from sparsight.reproduce._statistics import at_density
from sparsight.reproduce._verdict import Rule

_STUDY = "transfer"
_EQUAL = 0.02
"""Differences in intersection over union up to this size count as none."""
_TOLERANCE = 0.2
_EXCESS = (
    f"intersection over union of first-layer masks at density {FINAL_DENSITY:.1%}, minus that of random "
    "masks with every fan-in and fan-out the same"
)

CLAIM = Claim(
    name="mask-overlap",
    statement=(
        "Two seeds keep different weights and the same kinds of receptive fields: unit by unit their masks "
        "overlap no more than random masks do, once units are matched they overlap more than random masks "
        "that are matched likewise, and what ties masks unit by unit is a shared initialisation."
    ),
    source="beyond the papers; overlap of tickets is asked by Frankle & Carbin, arXiv 1803.03635",
    scope=(
        "Every replicate has its own data, initialisation and batches. Intervals between seeds are the "
        "jackknife's over replicates. Equal means a difference within ±0.02."
    ),
    predictions=(
        Prediction(
            name="seeds",
            statement=f"{_EXCESS}, between two seeds of the ring, units as they stand",
            study=_STUDY,
            statistic=at_density("mask_overlap.seeds", "imp", FINAL_DENSITY, _TOLERANCE),
            rule=Rule("within", _EQUAL),
            control=at_density("mask_overlap.with_reference", "imp_twin", FINAL_DENSITY, _TOLERANCE),
            control_statement="the ring and its twin from the same initial weights",
        ),
        Prediction(
            name="seeds_matched",
            statement=f"{_EXCESS}, between two seeds of the ring, units matched in both",
            study=_STUDY,
            statistic=at_density("mask_overlap.seeds_matched", "imp", FINAL_DENSITY, _TOLERANCE),
            rule=Rule("above", _EQUAL),
            control=at_density("mask_overlap.seeds_matched", "unit", FINAL_DENSITY, _TOLERANCE),
            control_statement="the same masks with the inputs of every unit permuted",
        ),
        Prediction(
            name="shared_start",
            statement=f"{_EXCESS}, between the ring and its twin from the same initial weights",
            study=_STUDY,
            statistic=at_density("mask_overlap.with_reference", "imp_twin", FINAL_DENSITY, _TOLERANCE),
            rule=Rule("above", _EQUAL),
            control=at_density("mask_overlap.with_reference", "random", FINAL_DENSITY, _TOLERANCE),
            control_statement="the ring and random pruning from the same initial weights",
        ),
    ),
    curves=((_STUDY, "test_accuracy"),),
    computed=("mask_overlap",),
)
