"""One pass over the levels of a condition: what its pictures need, and no more than that in memory."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sparsight.figures import quantiles_of
from sparsight.geometry import Geometry
from sparsight.instruments import Quantity
from sparsight.measure import matched_shares
from sparsight.report._explorer import LevelView, Packer, level_views
from sparsight.report._subjects import Subject

PAIRS = ("same_channel", "different_channel")
NULLS = ("fan_in", "configuration")
_MOST_LEVELS = 255  # that one byte a weight can tell apart


@dataclass(eq=False)
class Evidence:
    """What the pictures of one condition are made of.

    Attributes
    ----------
    condition : str
        The subject's name.
    geometry : Geometry
    compared_level : int
        The level at which subjects are compared.
    replicate : int
        Whose single units are shown: the first with the most levels.
    shows_fields : bool
        Whether the layer reads the network's input, so that its rows are receptive fields.
    shown : dict of int to numpy.ndarray
        First, middle and last level → weights, (unit, input).
    order : numpy.ndarray of int
        Units as they are sorted in pictures.
    order_words : str
        Says by what.
    pairs : dict of (kind, level) to numpy.ndarray
        S(d) summed over replicates; kind as in `PAIRS`.
    expected : dict of (kind, null, level) to numpy.ndarray
    fan_in, fan_out : numpy.ndarray or None
        At the compared level: of every unit of every replicate; summed over replicates.
    densities : dict of int to float
        Of the replicate shown, by level.
    cavity_rows, matched_rows : pandas.DataFrame
        As `sparsight.figures.plot_cavity_distributions` takes it: of all weights, and of those
        compared at equal |w|.
    sample_unit : int
        The first unit in the order.
    sample_histogram, sample_cavity : numpy.ndarray or None
        Its histogram of pre-activations, (bin,), and its Δκ, (input,), at the last level.
    packer : Packer or None
    """

    condition: str
    geometry: Geometry
    compared_level: int
    replicate: int
    shows_fields: bool = False
    shown: dict[int, np.ndarray] = field(default_factory=dict)
    order: np.ndarray = field(default_factory=lambda: np.arange(0))
    order_words: str = ""
    pairs: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    expected: dict[tuple[str, str, int], np.ndarray] = field(default_factory=dict)
    fan_in: np.ndarray | None = None
    fan_out: np.ndarray | None = None
    densities: dict[int, float] = field(default_factory=dict)
    cavity_rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    matched_rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    sample_unit: int = 0
    sample_histogram: np.ndarray | None = None
    sample_cavity: np.ndarray | None = None
    packer: Packer | None = None


def gather(subject: Subject, layer: str, compared_level: int) -> Evidence:
    """Read all levels of a condition of a run once.

    Parameters
    ----------
    subject : Subject
        With at least one level.
    layer : str
    compared_level : int
        The level at which subjects are compared.
    """
    run, condition = subject.run, subject.condition
    num_levels = [run.directory.num_levels(condition, each) for each in range(run.recipe.replicates)]
    replicate = int(np.argmax(num_levels))
    geometry = run.geometry(condition, replicate)
    evidence = Evidence(subject.name, geometry, compared_level, replicate)
    if layer in run.layers():
        _read_fields(evidence, subject, layer, num_levels[replicate])
        _read_maps(evidence, subject, layer, num_levels)
    return evidence


def _read_fields(evidence: Evidence, subject: Subject, layer: str, num_levels: int) -> None:
    kept = {0, num_levels // 2, num_levels - 1}
    packer = Packer(evidence.condition, evidence.replicate)
    rows: list[dict[str, Any]] = []
    matched: list[dict[str, Any]] = []
    for view in level_views(subject.run, subject.condition, evidence.replicate, layer):
        evidence.shows_fields = view.weight.shape[1] == evidence.geometry.num_inputs
        evidence.densities[view.index] = view.density
        rows += _cavity_rows(evidence.condition, view, at_equal_size=False)
        matched += _cavity_rows(evidence.condition, view, at_equal_size=True)
        if view.index == num_levels - 1:
            _read_sample(evidence, view)
        if not evidence.shows_fields:
            continue
        if view.index in kept:
            evidence.shown[view.index] = view.weight
        if num_levels <= _MOST_LEVELS:
            packer.add(view)
    evidence.cavity_rows, evidence.matched_rows = pd.DataFrame(rows), pd.DataFrame(matched)
    if evidence.shows_fields and packer.sizes and packer.is_monotone:
        evidence.packer = packer


def _read_sample(evidence: Evidence, view: LevelView) -> None:
    evidence.order, evidence.order_words = order_of_units(view)
    evidence.sample_unit = int(evidence.order[0])
    histogram = view.quantities.get("gaussianity.histogram_per_unit")
    cavity = view.quantities.get("cavity.delta_kurtosis")
    if histogram is not None:
        evidence.sample_histogram = np.asarray(histogram.value)[evidence.sample_unit]
    if cavity is not None:
        evidence.sample_cavity = np.asarray(cavity.value, np.float64)[evidence.sample_unit]


def order_of_units(view: LevelView) -> tuple[np.ndarray, str]:
    """Return units by falling near-locality, or fan-in where that was not measured; and words that say so."""
    near = view.quantities.get("locality.near_per_unit")
    if near is not None and np.isfinite(near.value).any():
        falling = np.argsort(-np.nan_to_num(np.asarray(near.value), nan=-1.0), kind="stable")
        return falling, f"units sorted by their near-locality at level {view.index}, most local first"
    falling = np.argsort(-view.mask.sum(axis=1), kind="stable")
    return falling, f"units sorted by their fan-in at level {view.index}, largest first"


def _cavity_rows(condition: str, view: LevelView, *, at_equal_size: bool) -> list[dict[str, Any]]:
    quantity = view.quantities.get("cavity.delta_kurtosis")
    if quantity is None:
        return []
    delta = np.asarray(quantity.value)
    groups = {"kept": view.next_mask, "pruned": view.mask & ~view.next_mask}
    shares = matched_shares(delta, np.abs(view.weight), *groups.values()) if at_equal_size else None
    return [
        {"condition": condition, "level": view.index, "density": view.density, "group": group}
        | dict(
            zip(
                ("q5", "q25", "q50", "q75", "q95"),
                quantiles_of(delta[chosen], None if shares is None else shares[chosen]),
                strict=True,
            )
        )
        for group, chosen in groups.items()
    ]


def _read_maps(evidence: Evidence, subject: Subject, layer: str, num_levels: list[int]) -> None:
    fan_in: list[np.ndarray] = []
    for replicate, number in enumerate(num_levels):
        for level in range(number):
            quantities = subject.run.measures(subject.condition, replicate, level).get(layer, {})
            for kind in PAIRS:
                _add(evidence.pairs, (kind, level), quantities.get(f"locality.pairs_{kind}"))
                for null in NULLS:
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
