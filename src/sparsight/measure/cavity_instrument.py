"""The cavity effect of one layer's weights, kept against pruned, for recipes."""

from collections.abc import Mapping

import numpy as np

from sparsight.measure.cavity import cavity
from sparsight.measure.cavity_contrast import contrast, matched_contrast, mean_over
from sparsight.measure.instrument import Observation, Quantity, instrument

_MAPS = {
    "delta_kurtosis": "excess kurtosis of the unit with this weight minus without it",
    "delta_abs_kurtosis": "absolute excess kurtosis of the unit with this weight minus without it",
}


@instrument("cavity")
def observe_cavity(observation: Observation) -> Mapping[str, Quantity]:
    """Return Δκ and Δ|κ| of every weight, and both contrasted between kept and pruned weights.

    Over all samples, and within each class (a mixture of classes is non-Gaussian even if none of them
    is).
    """
    kept = observation.next_mask
    pruned = observation.mask & ~observation.next_mask
    magnitude = np.abs(observation.weight)
    found = cavity(observation.weight, observation.inputs)
    quantities = {
        "num_undefined": Quantity(
            float(found.num_undefined), (), "weights without which their unit has (almost) no variance"
        )
    }
    for name, meaning in _MAPS.items():
        delta = getattr(found, name)
        if name == "delta_kurtosis":  # the other follows from it and the unit's κ
            quantities[name] = Quantity(delta.astype(np.float32), ("unit", "input"), meaning)
        plain = contrast(delta, kept, pruned)
        matched, num_matched = matched_contrast(delta, magnitude, kept, pruned)
        quantities |= {
            f"{name}_kept": Quantity(
                plain.kept, (), f"mean over the weights kept after the level: {meaning}"
            ),
            f"{name}_pruned": Quantity(
                plain.pruned, (), f"mean over the weights pruned after the level: {meaning}"
            ),
            f"{name}_difference": Quantity(
                plain.difference, (), f"kept minus pruned (no effect: 0): {meaning}"
            ),
            f"{name}_auc": Quantity(
                plain.auc,
                (),
                f"probability that a kept weight's value exceeds a pruned one's (no effect: ½): {meaning}",
            ),
            f"{name}_matched_difference": Quantity(
                matched.difference,
                (),
                f"kept minus pruned at equal |w| within units (no effect: 0): {meaning}",
            ),
            f"{name}_matched_auc": Quantity(
                matched.auc, (), f"the same probability at equal |w| within units (no effect: ½): {meaning}"
            ),
            f"{name}_num_matched": Quantity(float(num_matched), (), "pairs of weights compared at equal |w|"),
        }
    return quantities | _within_classes(observation, kept, pruned)


def _within_classes(observation: Observation, kept: np.ndarray, pruned: np.ndarray) -> dict[str, Quantity]:
    labels = observation.labels.numpy()
    rows: dict[str, list[float]] = {f"{name}_{group}": [] for name in _MAPS for group in ("kept", "pruned")}
    for label in range(observation.num_classes):
        inputs = observation.inputs[labels == label]
        found = cavity(observation.weight, inputs) if len(inputs) > 1 else None
        for name in _MAPS:
            for group, chosen in (("kept", kept), ("pruned", pruned)):
                rows[f"{name}_{group}"].append(mean_over(getattr(found, name), chosen) if found else np.nan)
    quantities = {}
    for name, meaning in _MAPS.items():
        for group in ("kept", "pruned"):
            values = np.array(rows[f"{name}_{group}"])
            where = f"over the weights {group} after the level, within a class: {meaning}"
            quantities[f"{name}_{group}_per_class"] = Quantity(values, ("class",), f"mean {where}")
            defined = values[~np.isnan(values)]
            quantities[f"{name}_{group}_within_class"] = Quantity(
                float(defined.mean()) if len(defined) else np.nan,
                (),
                f"mean over classes of the mean {where}",
            )
    return quantities
