"""The instrument ``cavity``: the effect of removing each weight, compared between kept and pruned weights."""

from collections.abc import Iterator, Mapping

import numpy as np

from sparsight.instruments._cavity_controls import (
    COMPARED,
    at_threshold,
    parts_of_kurtosis,
    size_alone,
)
from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import (
    Cavity,
    cavity,
    contrast,
    distance_from_centre,
    each_class_then_all,
    joint_cavity,
    kurtosis_parts,
    matched_contrast,
    mean_of_defined,
    rank_correlations,
)

MATCHED_RATIO = (
    "mean |w| of the kept weights over that of the pruned ones they are compared with (matched: 1)"
)
AT_EQUAL_SIZE = ", at equal |w| within units"
SMALLEST_CLASS = 20
"""Samples; in a smaller class the bias of sample kurtosis, −6/(n + 1) for a Gaussian, exceeds any effect."""
_MAPS = {
    "delta_kurtosis": "excess kurtosis of the unit with this weight minus without it",
    "delta_abs_kurtosis": "absolute excess kurtosis of the unit with this weight minus without it",
    "delta_skewness": "skewness of the unit with this weight minus without it",
    "delta_negentropy": "skewness²/12 + excess_kurtosis²/48 of the unit with this weight minus without it",
}
_STORED_MAPS = COMPARED
"""Storing the others would double a level's size on disk; `sparsight.cavity` gives them from its weights."""


@instrument("cavity")
def measure_cavity(observation: Observation) -> Mapping[str, Quantity]:
    """Return Δκ and Δ|κ| of every weight, and compare all four effects between kept and pruned weights.

    Kept and pruned weights are those that pruning keeps and removes after the level.

    For each effect ``s`` (``delta_kurtosis``, ``delta_abs_kurtosis``, ``delta_skewness``,
    ``delta_negentropy``):

    * ``s``: the map, for the first two only. ``s_kept``, ``s_pruned``, ``s_difference``, ``s_auc``: see
      `contrast`.
    * ``s_matched_kept``, ``…_pruned``, ``…_difference``, ``…_auc``: see `matched_contrast`; at equal |w|.
    * ``s_kept_per_class`` and ``s_pruned_per_class``, within each class, and ``…_within_class``, their means
      over classes: a mixture of classes is non-Gaussian even if no class is. NaN for a class of fewer than
      20 samples.
    * ``s_joint_per_unit``: the effect of removing all the weights that the level prunes from the unit at
      once. ``s_first_order_per_unit``: the sum of their single effects. ``s_joint`` and ``s_first_order``:
      the means of both over the same units.
    * ``s_correlation_with_magnitude``, ``s_correlation_with_distance``: Spearman's correlation within units,
      over the level's weights. The distance is that from the centre of the receptive field, at depth 0 only.

    For the first two effects, controls of selection by size:

    * ``s_difference_size_shuffled``: the difference after each unit's weights have been shuffled over its own
      inputs, kept and pruned weights as before: what size alone selects, see `size_shuffled`.
      ``s_difference_beyond_size_shuffled``: the difference minus that.
    * ``s_threshold_jump``: the difference at the threshold of |w|, see `threshold_contrast`; NaN below 50
      pairs. ``threshold_num_pairs``: their number.
    * ``delta_kurtosis_cumulant_difference``, ``delta_kurtosis_dilution_difference``: the difference of Δκ,
      split into the parts due to the fourth cumulant and to the variance, see `kurtosis_parts`.

    Also ``excess_kurtosis_per_unit`` (of the unit with all its weights), ``num_undefined`` and
    ``num_undefined_per_class`` (NaN entries of the maps, which no other quantity includes), ``num_matched``
    and ``matched_magnitude_ratio`` (how far sizes still differ in the matched comparison).
    """
    per_class: list[dict[str, float]] = []
    pooled: Cavity | None = None
    for label, found in each_class_then_all(
        observation.weight,
        observation.inputs,
        observation.labels,
        num_classes=observation.num_classes,
        mask=observation.mask,
        min_samples=SMALLEST_CLASS,
    ):
        if label is None:
            pooled = found
        else:
            per_class.append(_group_means(found, observation))
    assert pooled is not None  # each_class_then_all yields it last
    return (
        dict(_contrasts(pooled, observation))
        | dict(_controls(pooled, observation))
        | dict(_classes(per_class))
        | dict(_joint(pooled, observation))
        | dict(_correlations(pooled, observation))
    )


def _contrasts(found: Cavity, observation: Observation) -> Iterator[tuple[str, Quantity]]:
    kept, pruned, magnitude = observation.next_mask, observation.pruned, np.abs(observation.weight)
    undefined = "weights without which their unit has (almost) no variance"
    yield "num_undefined", Quantity(float(found.num_undefined), (), undefined)
    of_unit = "E[(λ−μ)⁴]/Var² − 3 of the unit with all its weights"
    yield "excess_kurtosis_per_unit", Quantity(found.excess_kurtosis, ("unit",), of_unit)
    for name, meaning in _MAPS.items():
        delta = getattr(found, name)
        if name in _STORED_MAPS:
            yield name, Quantity(delta.astype(np.float32), ("unit", "input"), meaning)
        plain = contrast(delta, kept, pruned)
        matched = matched_contrast(delta, magnitude, kept, pruned)
        for prefix, result, where in ((name, plain, ""), (f"{name}_matched", matched, AT_EQUAL_SIZE)):
            for group in ("kept", "pruned"):
                definition = f"mean over the weights {group} after the level{where}: {meaning}"
                yield f"{prefix}_{group}", Quantity(getattr(result, group), (), definition)
            yield from difference_and_auc(prefix, result.difference, result.auc, where, meaning)
    # The same entries are undefined in all maps, so the last `matched` stands for every one of them.
    yield "num_matched", Quantity(float(matched.num_matched), (), "pairs of weights compared at equal |w|")
    yield "matched_magnitude_ratio", Quantity(matched.magnitude_ratio, (), MATCHED_RATIO)


def _controls(found: Cavity, observation: Observation) -> Iterator[tuple[str, Quantity]]:
    meanings = {name: _MAPS[name] for name in COMPARED}

    def maps_of(weight: np.ndarray) -> dict[str, np.ndarray]:
        moved = cavity(weight, observation.inputs, mask=observation.mask)
        return {name: getattr(moved, name) for name in COMPARED}

    own = {name: getattr(found, name) for name in COMPARED}
    yield from size_alone(observation, maps_of, own, meanings)
    yield from at_threshold(own, observation, meanings)
    yield from parts_of_kurtosis(vars(kurtosis_parts(found)), observation, "")


def difference_and_auc(
    prefix: str, difference: float, auc: float, where: str, meaning: str, suffix: str = ""
) -> Iterator[tuple[str, Quantity]]:
    """Yield a difference and an AUC as quantities; `where` says among which weights they are taken."""
    kept_minus_pruned = f"kept minus pruned{where} (no effect: 0): {meaning}"
    chance = f"probability that a kept weight's value exceeds a pruned one's{where} (no effect: ½): {meaning}"
    yield f"{prefix}_difference{suffix}", Quantity(difference, (), kept_minus_pruned)
    yield f"{prefix}_auc{suffix}", Quantity(auc, (), chance)


def _group_means(found: Cavity | None, observation: Observation) -> dict[str, float]:
    kept, pruned = observation.next_mask, observation.pruned
    if found is None:  # the class has too few samples: every weight is undefined in it
        nothing = dict.fromkeys((f"{name}_{group}" for name in _MAPS for group in ("kept", "pruned")), np.nan)
        return nothing | {"num_undefined": float((kept | pruned).sum())}
    means = {"num_undefined": float(found.num_undefined)}
    for name in _MAPS:
        delta = getattr(found, name)
        means[f"{name}_kept"] = mean_of_defined(delta[kept])
        means[f"{name}_pruned"] = mean_of_defined(delta[pruned])
    return means


def _classes(per_class: list[dict[str, float]]) -> Iterator[tuple[str, Quantity]]:
    undefined = np.array([means["num_undefined"] for means in per_class])
    words = "weights without which their unit has (almost) no variance in the class"
    yield "num_undefined_per_class", Quantity(undefined, ("class",), words)
    for name, meaning in _MAPS.items():
        for group in ("kept", "pruned"):
            values = np.array([means[f"{name}_{group}"] for means in per_class])
            of_class = f"over the weights {group} after the level, within a class (20 samples or more)"
            mean = f"mean {of_class}: {meaning}"
            yield f"{name}_{group}_per_class", Quantity(values, ("class",), mean)
            of_all = Quantity(mean_of_defined(values), (), f"mean over classes of the {mean}")
            yield f"{name}_{group}_within_class", of_all


def _joint(found: Cavity, observation: Observation) -> Iterator[tuple[str, Quantity]]:
    joint = joint_cavity(
        observation.weight, observation.inputs, observation.pruned, mask=observation.mask, single=found
    )
    for name, meaning in _MAPS.items():
        together = getattr(joint, name)
        added = getattr(joint, name.replace("delta", "first_order"))
        # Joint and summed effects are comparable only over the units in which both are defined.
        both = (joint.num_removed > 0) & ~np.isnan(together) & ~np.isnan(added)
        of_all = f"{meaning}, removing all the weights that the level prunes from the unit at once"
        of_each = f"{meaning}, summed over the weights that the level prunes from the unit"
        yield f"{name}_joint_per_unit", Quantity(together, ("unit",), of_all)
        yield f"{name}_first_order_per_unit", Quantity(added, ("unit",), of_each)
        units = "mean over the units that lose weights:"
        yield f"{name}_joint", Quantity(mean_of_defined(together[both]), (), f"{units} {of_all}")
        summed = f"{units} {of_each} (equal to joint if effects add up)"
        yield f"{name}_first_order", Quantity(mean_of_defined(added[both]), (), summed)


def _correlations(found: Cavity, observation: Observation) -> Iterator[tuple[str, Quantity]]:
    weight, mask = observation.weight.astype(np.float64), observation.mask
    others = {"magnitude": (np.abs(weight), "|w|")}
    if observation.depth == 0 and observation.geometry is not None:
        distance = distance_from_centre(np.where(mask, weight**2, 0.0), observation.geometry)
        others["distance"] = (distance, "the distance from the mean position of w² in the unit")
    deltas = [getattr(found, name) for name in _MAPS]
    values = rank_correlations(deltas, [map_ for map_, _ in others.values()], mask)
    for of_map, (name, meaning) in zip(values, _MAPS.items(), strict=True):
        for value, (other, (_, words)) in zip(of_map, others.items(), strict=True):
            definition = f"Spearman correlation (within units; unrelated: 0) with {words}: {meaning}"
            yield f"{name}_correlation_with_{other}", Quantity(float(value), (), definition)
