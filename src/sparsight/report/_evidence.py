"""Evidence for the pictures of one condition, gathered in one pass over its levels to bound the memory."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sparsight.figures import CATALOGUE, quantiles_of
from sparsight.geometry import Geometry
from sparsight.instruments import Quantity
from sparsight.measure import matched_shares
from sparsight.report._explorer import Packer
from sparsight.report._level_views import LevelView, level_views, order_of_units
from sparsight.report._subjects import Subject

_SUMMED = (
    *(f"locality.pairs_{kind}" for kind in CATALOGUE.pair_kinds),
    *(f"locality.pairs_{kind}_{null}" for kind in CATALOGUE.pair_kinds for null in CATALOGUE.nulls),
    "locality.fan_in_per_unit",
    "locality.fan_out_per_input",
)
_MOST_LEVELS = 255  # the explorer stores in one byte up to which level a weight survives


@dataclass(eq=False, kw_only=True)
class Evidence:
    """Arrays and tables from which the pictures of one condition are drawn.

    Kinds of pairs and nulls are those of `sparsight.figures.CATALOGUE`.
    """

    condition: str
    geometry: Geometry
    compared_level: int
    replicate: int  # whose single units are shown: the first of those with the most levels
    shows_fields: bool = False  # whether the layer reads the network's input: its rows are receptive fields
    # First, middle and last level → weights, (unit, input).
    shown: dict[int, np.ndarray] = field(default_factory=dict)
    compared_weight: np.ndarray | None = None  # at the compared level, (unit, input)
    order: np.ndarray = field(default_factory=lambda: np.arange(0))  # units as pictures show them
    order_words: str = ""
    # (kind, level) → S(d), and (kind, null, level) → its expectation, both summed over replicates.
    pairs: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    expected: dict[tuple[str, str, int], np.ndarray] = field(default_factory=dict)
    # At the compared level: kept inputs of every unit of every replicate, kept weights on every input.
    fan_in: np.ndarray | None = None
    fan_out: np.ndarray | None = None
    densities: dict[int, float] = field(default_factory=dict)  # level → density in the replicate shown
    # Distributions of Δκ, as `plot_cavity_distributions` takes them: all weights, and those at equal |w|.
    cavity_rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    matched_rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    # First unit in the order: its histogram of pre-activations, (bin,), and its Δκ, (input,), at the end.
    sample_unit: int = 0
    sample_histogram: np.ndarray | None = None
    sample_cavity: np.ndarray | None = None
    packer: Packer | None = None  # None if the layer's rows are not receptive fields

    def levels_with(self, kind: str) -> list[int]:
        """Return the levels at which pairs of a kind were counted."""
        return sorted(level for each, level in self.pairs if each == kind)

    def pair_counts(
        self, kind: str, levels: list[int]
    ) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        """Return S(d) at some levels, and its expectation for random masks with the same fan-in."""
        return (
            {level: self.pairs[kind, level] for level in levels},
            {level: self.expected[kind, "fan_in", level] for level in levels},
        )


def gather(subject: Subject, layer: str, compared_level: int) -> Evidence:
    """Return the evidence of one subject with at least one level, reading each of its levels once."""
    run, condition = subject.run, subject.condition
    num_levels = [run.directory.num_levels(condition, each) for each in range(run.recipe.replicates)]
    replicate = int(np.argmax(num_levels))
    geometry = run.geometry(condition, replicate)
    evidence = Evidence(
        condition=subject.name, geometry=geometry, compared_level=compared_level, replicate=replicate
    )
    if layer in run.layers():
        shown = _read_fields(evidence, subject, layer, num_levels[replicate])
        _read_maps(evidence, subject, layer, num_levels, shown)
    return evidence


def _read_fields(
    evidence: Evidence, subject: Subject, layer: str, num_levels: int
) -> list[dict[str, Quantity]]:
    """Read the levels of the replicate that is shown; return what maps are summed from, by level."""
    # The weights of all levels would not fit into memory: three levels are kept, the packer has the rest.
    kept = {0, num_levels // 2, num_levels - 1}
    packer = Packer(evidence.condition, evidence.replicate)
    rows: list[dict[str, Any]] = []
    matched: list[dict[str, Any]] = []
    summed: list[dict[str, Quantity]] = []
    for view in level_views(subject.run, subject.condition, evidence.replicate, layer):
        evidence.shows_fields = view.weight.shape[1] == evidence.geometry.num_inputs
        evidence.densities[view.index] = view.density
        summed.append({name: view.quantities[name] for name in _SUMMED if name in view.quantities})
        rows += _cavity_rows(evidence.condition, view, at_equal_size=False)
        matched += _cavity_rows(evidence.condition, view, at_equal_size=True)
        if view.index == num_levels - 1:
            _read_sample(evidence, view)
        if not evidence.shows_fields:
            continue
        if view.index == evidence.compared_level:
            evidence.compared_weight = view.weight
        if view.index in kept:
            evidence.shown[view.index] = view.weight
        if num_levels <= _MOST_LEVELS:
            packer.add(view)
    evidence.cavity_rows, evidence.matched_rows = pd.DataFrame(rows), pd.DataFrame(matched)
    if evidence.shows_fields and packer.sizes and packer.is_monotone:
        evidence.packer = packer
    return summed


def _read_sample(evidence: Evidence, view: LevelView) -> None:
    evidence.order, evidence.order_words = order_of_units(view)
    evidence.sample_unit = int(evidence.order[0])
    histogram = view.quantities.get("gaussianity.histogram_per_unit")
    cavity = view.quantities.get("cavity.delta_kurtosis")
    if histogram is not None:
        evidence.sample_histogram = np.asarray(histogram.value)[evidence.sample_unit]
    if cavity is not None:
        evidence.sample_cavity = np.asarray(cavity.value, np.float64)[evidence.sample_unit]


def _cavity_rows(condition: str, view: LevelView, *, at_equal_size: bool) -> list[dict[str, Any]]:
    quantity = view.quantities.get("cavity.delta_kurtosis")
    if quantity is None:
        return []
    delta = np.asarray(quantity.value)
    groups = {"kept": view.next_mask, "pruned": view.mask & ~view.next_mask}
    shares = matched_shares(delta, np.abs(view.weight), *groups.values()) if at_equal_size else None
    return [
        {"condition": condition, "level": view.index, "density": view.density, "group": group}
        | quantiles_of(delta[chosen], None if shares is None else shares[chosen])
        for group, chosen in groups.items()
    ]


def _read_maps(
    evidence: Evidence, subject: Subject, layer: str, num_levels: list[int], shown: list[dict[str, Quantity]]
) -> None:
    fan_in: list[np.ndarray] = []
    for replicate, number in enumerate(num_levels):
        for level in range(number):
            if replicate == evidence.replicate:
                quantities = shown[level]
            else:
                quantities = subject.run.measures(subject.condition, replicate, level).get(layer, {})
            for kind in CATALOGUE.pair_kinds:
                _add(evidence.pairs, (kind, level), quantities.get(f"locality.pairs_{kind}"))
                for null in CATALOGUE.nulls:
                    found = quantities.get(f"locality.pairs_{kind}_{null}")
                    _add(evidence.expected, (kind, null, level), found)
            if level == evidence.compared_level and "locality.fan_in_per_unit" in quantities:
                fan_in.append(np.asarray(quantities["locality.fan_in_per_unit"].value))
                fan_out = np.asarray(quantities["locality.fan_out_per_input"].value)
                evidence.fan_out = fan_out if evidence.fan_out is None else evidence.fan_out + fan_out
    evidence.fan_in = np.concatenate(fan_in) if fan_in else None


def _add(sums: dict[Any, np.ndarray], key: tuple[object, ...], quantity: Quantity | None) -> None:
    if quantity is not None:
        value = np.asarray(quantity.value, np.float64)
        sums[key] = sums[key] + value if key in sums else value
