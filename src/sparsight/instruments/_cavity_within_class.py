"""The instrument ``cavity_within_class``: the cavity effect free of the mixture of classes."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from sparsight.instruments._cavity import AT_EQUAL_SIZE, MATCHED_RATIO, SMALLEST_CLASS, difference_and_auc
from sparsight.instruments._cavity_controls import (
    PARTS,
    at_threshold,
    difference_of_means,
    parts_of_kurtosis,
    random_kept_sets,
    size_alone,
)
from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import (
    contrast,
    each_class_then_all,
    kurtosis_parts,
    locality,
    matched_contrast,
    mean_of_defined,
)

_MAPS = {
    "delta_kurtosis": "excess kurtosis with this weight minus without it, averaged over classes",
    "delta_abs_kurtosis": "absolute excess kurtosis with this weight minus without it, averaged over classes",
}


@instrument("cavity_within_class")
def measure_cavity_within_class(observation: Observation) -> Mapping[str, Quantity]:
    """Return Δκ and Δ|κ| within classes, compared between weights kept and pruned after the level.

    The effect of a weight is computed within each class of at least 20 samples and averaged over those
    classes, so that the mixture of classes contributes nothing. A weight that is undefined in one of these
    classes is undefined.

    For both maps ``s`` (``delta_kurtosis``, ``delta_abs_kurtosis``): ``s_kept``, ``s_pruned``,
    ``s_difference``, ``s_auc``, see `contrast`; ``s_matched_difference``, ``s_matched_auc``, see
    `matched_contrast`, at equal |w|; ``s_difference_per_unit``: kept minus pruned within each unit (NaN if
    the unit keeps or loses no weight). ``s_difference_twin`` and ``s_matched_difference_twin`` are the
    control: the same weights on the Gaussian twin of the data, where κ within a class is 0 except for the
    finite sample; ``s_difference_beyond_twin`` is the difference minus that.
    ``matched_magnitude_ratio``: see `MatchedContrast`.

    As in ``cavity``: ``s_difference_size_shuffled``, ``s_difference_beyond_size_shuffled``,
    ``s_threshold_jump``, ``threshold_num_pairs``, ``delta_kurtosis_cumulant_difference`` and
    ``delta_kurtosis_dilution_difference``.

    ``s_difference_random_kept`` (mean over 20 draws) and ``s_difference_per_unit_random_kept`` (the first
    draw) take as kept a set drawn at random with each unit's number, see `random_kept`. Statistics that share
    a kept set are related even if it is random: relate the second to ``near_per_unit_random_kept``, the near
    of the units if the same set were kept, as ``s_difference_per_unit`` is related to the next level's near.
    The latter exists at depth 0 with a geometry only.
    """
    o = observation
    own = _class_mean_maps(o, o.weight, o.inputs, o.labels)
    quantities = dict(_contrasts(own, o, "", ""))
    if o.twin_inputs is not None:
        labels = o.labels if o.twin_labels is None else o.twin_labels
        twin = _class_mean_maps(o, o.weight, o.twin_inputs, labels)
        of_twin = dict(_contrasts(twin, o, "_twin", "; control: the same weights on the twin"))
        quantities |= {name: of_twin[name] for name in of_twin if name.endswith("difference_twin")}
        quantities |= dict(_beyond_twin(own, twin, o))
    quantities |= dict(size_alone(o, lambda w: _class_mean_maps(o, w, o.inputs, o.labels), own, _MAPS))
    quantities |= dict(at_threshold(own, o, _MAPS))
    quantities |= dict(parts_of_kurtosis(own, o, ", averaged over classes"))
    quantities |= dict(_random_kept(own, o))
    # The ratio compares |w| only, so any Δ gives the same; zeros have no NaN that would leave weights out.
    nothing = np.zeros(observation.mask.shape)
    matched = matched_contrast(nothing, np.abs(observation.weight), observation.next_mask, observation.pruned)
    return quantities | {"matched_magnitude_ratio": Quantity(matched.magnitude_ratio, (), MATCHED_RATIO)}


def _class_mean_maps(
    observation: Observation, weight: np.ndarray, inputs: Tensor, labels: Tensor
) -> dict[str, np.ndarray]:
    """Return each map, (out, in), averaged over the classes with enough samples; NaN if there is none."""
    sums = {name: np.zeros(observation.mask.shape) for name in (*_MAPS, *PARTS)}
    num_classes = 0
    by_class = each_class_then_all(
        weight,
        inputs,
        labels,
        num_classes=observation.num_classes,
        mask=observation.mask,
        min_samples=SMALLEST_CLASS,
    )
    # The generator computes the effect over all samples only if it is asked for it.
    for _, found in itertools.islice(by_class, observation.num_classes):
        if found is not None:
            num_classes += 1
            for name in _MAPS:
                sums[name] += getattr(found, name)
            for name, part in vars(kurtosis_parts(found)).items():
                sums[name] += part
    return {name: total / num_classes if num_classes else total * np.nan for name, total in sums.items()}


def _contrasts(
    maps: Mapping[str, np.ndarray], observation: Observation, suffix: str, whose: str
) -> Iterator[tuple[str, Quantity]]:
    kept, pruned = observation.next_mask, observation.pruned
    for name, words in _MAPS.items():
        meaning = f"{words}{whose}"
        plain = contrast(maps[name], kept, pruned)
        matched = matched_contrast(maps[name], np.abs(observation.weight), kept, pruned)
        for group in ("kept", "pruned"):
            definition = f"mean over the weights {group} after the level: {meaning}"
            yield f"{name}_{group}{suffix}", Quantity(getattr(plain, group), (), definition)
        yield from difference_and_auc(name, plain.difference, plain.auc, "", meaning, suffix)
        yield from difference_and_auc(
            f"{name}_matched", matched.difference, matched.auc, AT_EQUAL_SIZE, meaning, suffix
        )
        per_unit, words = difference_per_unit(maps[name], kept, pruned), "kept minus pruned within the unit"
        yield (
            f"{name}_difference_per_unit{suffix}",
            Quantity(per_unit, ("unit",), f"{words} (no effect: 0): {meaning}"),
        )


def _beyond_twin(
    own: Mapping[str, np.ndarray], twin: Mapping[str, np.ndarray], observation: Observation
) -> Iterator[tuple[str, Quantity]]:
    groups = observation.next_mask, observation.pruned
    for name, words in _MAPS.items():
        beyond = difference_of_means(own[name], *groups) - difference_of_means(twin[name], *groups)
        meaning = f"kept minus pruned, minus the same weights on the twin (no effect: 0): {words}"
        yield f"{name}_difference_beyond_twin", Quantity(beyond, (), meaning)


def _random_kept(maps: Mapping[str, np.ndarray], observation: Observation) -> Iterator[tuple[str, Quantity]]:
    o, sets = observation, random_kept_sets(observation)
    how = "kept sets drawn at random, with each unit's number of kept weights"
    for name, words in _MAPS.items():
        differences = [difference_of_means(maps[name], kept, o.mask & ~kept) for kept in sets]
        of_layer = f"kept minus pruned; control: {how} (mean of {len(sets)} draws): {words}"
        yield f"{name}_difference_random_kept", Quantity(float(np.mean(differences)), (), of_layer)
        per_unit = difference_per_unit(maps[name], sets[0], o.mask & ~sets[0])
        of_unit = f"kept minus pruned within the unit; control: {how} (one draw): {words}"
        yield f"{name}_difference_per_unit_random_kept", Quantity(per_unit, ("unit",), of_unit)
    if o.depth == 0 and o.geometry is not None:
        near = locality(sets[0], o.geometry).near_per_unit
        meaning = f"near of each unit under fan_in (chance: 1) after the level, with {how} (one draw)"
        yield "near_per_unit_random_kept", Quantity(near, ("unit",), meaning)


def difference_per_unit(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> Float[np.ndarray, " out"]:
    """Return, for each unit, mean Δ of its kept weights minus mean Δ of its pruned ones: float64, (out,).

    NaN entries of `delta` are ignored; NaN for a unit that has no value in one of the groups.
    """
    of_kept, of_pruned = (mean_of_defined(np.where(group, delta, np.nan), axis=1) for group in (kept, pruned))
    difference: np.ndarray = of_kept - of_pruned
    return difference
