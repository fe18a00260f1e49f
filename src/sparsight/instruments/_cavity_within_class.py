"""The instrument ``cavity_within_class``: the cavity effect free of the mixture of classes."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from sparsight.instruments._cavity import AT_EQUAL_SIZE, MATCHED_RATIO, SMALLEST_CLASS, difference_and_auc
from sparsight.instruments._observation import Observation
from sparsight.instruments._registry import Quantity, instrument
from sparsight.measure import contrast, each_class_then_all, matched_contrast, mean_of_defined

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
    finite sample. ``matched_magnitude_ratio``: see `MatchedContrast`.
    """
    quantities = dict(_contrasts(_class_mean_maps(observation, observation.inputs), observation, "", ""))
    if observation.twin_inputs is not None:
        twin = _class_mean_maps(observation, observation.twin_inputs)
        of_twin = dict(_contrasts(twin, observation, "_twin", "; control: the same weights on the twin"))
        quantities |= {name: of_twin[name] for name in of_twin if name.endswith("difference_twin")}
    # The ratio compares |w| only, so any Δ gives the same; zeros have no NaN that would leave weights out.
    nothing = np.zeros(observation.mask.shape)
    matched = matched_contrast(nothing, np.abs(observation.weight), observation.next_mask, observation.pruned)
    return quantities | {"matched_magnitude_ratio": Quantity(matched.magnitude_ratio, (), MATCHED_RATIO)}


def _class_mean_maps(observation: Observation, inputs: Tensor) -> dict[str, np.ndarray]:
    """Return each map, (out, in), averaged over the classes with enough samples; NaN if there is none."""
    sums = {name: np.zeros(observation.mask.shape) for name in _MAPS}
    num_classes = 0
    for label, found in each_class_then_all(
        observation.weight,
        inputs,
        observation.labels,
        num_classes=observation.num_classes,
        mask=observation.mask,
        min_samples=SMALLEST_CLASS,
    ):
        if label is not None and found is not None:
            num_classes += 1
            for name, total in sums.items():
                total += getattr(found, name)
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


def difference_per_unit(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> Float[np.ndarray, " out"]:
    """Return, for each unit, mean Δ of its kept weights minus mean Δ of its pruned ones: float64, (out,).

    NaN entries of `delta` are ignored; NaN for a unit that has no value in one of the groups.
    """
    of_kept, of_pruned = (mean_of_defined(np.where(group, delta, np.nan), axis=1) for group in (kept, pruned))
    difference: np.ndarray = of_kept - of_pruned
    return difference
