"""Controls that both cavity instruments share: size alone, the threshold of |w|, the two parts of Δκ."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Bool, Float

from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.measure import (
    mean_of_defined,
    random_kept,
    size_shuffled,
    threshold_contrast,
    varying_inputs,
)
from sparsight.streams import derived_seed

COMPARED = ("delta_kurtosis", "delta_abs_kurtosis")
"""Maps with all controls; for the others each shuffle would cost as much and show little more."""
PARTS = {
    "cumulant": "part of Δκ due to the fourth cumulant c₄, (c₄ − c₄₋)(v⁻² + v₋⁻²)/2",
    "dilution": "part of Δκ due to the variance v, (v⁻² − v₋⁻²)(c₄ + c₄₋)/2",
}
"""Names in `KurtosisParts`, and what they are."""
_NUM_SHUFFLES = 2  # each costs the map once more
_NUM_RANDOM_SETS = 20  # these cost a mean only

_Maps = Mapping[str, np.ndarray]


def difference_of_means(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> float:
    """Return mean Δ of the kept minus mean Δ of the pruned weights; NaN if a group has no defined value."""
    return mean_of_defined(delta[kept]) - mean_of_defined(delta[pruned])


def size_alone(
    observation: Observation, maps_of: Callable[[np.ndarray], _Maps], own: _Maps, meanings: Mapping[str, str]
) -> Iterator[tuple[str, Quantity]]:
    """Yield the contrast after shuffling each unit's weights over its inputs, and the contrast beyond that.

    `maps_of` returns the maps of a layer with other weights, (out, in); `own` are those of its own weights.
    """
    o = observation
    found: dict[str, list[float]] = {name: [np.nan] for name in meanings}
    if o.pruned.any() and o.next_mask.any():
        seed, varying = derived_seed(o.seed, "cavity", o.layer, o.level), varying_inputs(o.inputs)
        found = {name: [] for name in meanings}
        for draw in range(_NUM_SHUFFLES):
            weight, kept = size_shuffled(o.weight, o.mask, o.next_mask, varying, seed=seed, draw=draw)
            maps = maps_of(weight)
            for name, values in found.items():
                values.append(difference_of_means(maps[name], kept, o.mask & ~kept))
    how = (
        f"each unit's weights shuffled over its own inputs, kept and pruned by size as before "
        f"(mean of {_NUM_SHUFFLES} shuffles)"
    )
    for name, meaning in meanings.items():
        shuffled = float(np.mean(found[name]))
        control = f"kept minus pruned, control: {how}: {meaning}"
        yield f"{name}_difference_size_shuffled", Quantity(shuffled, (), control)
        beyond = difference_of_means(own[name], o.next_mask, o.pruned) - shuffled
        definition = f"kept minus pruned, minus the same with {how} (size alone: 0): {meaning}"
        yield f"{name}_difference_beyond_size_shuffled", Quantity(beyond, (), definition)


def at_threshold(
    maps: _Maps, observation: Observation, meanings: Mapping[str, str]
) -> Iterator[tuple[str, Quantity]]:
    """Yield the jump of each map at the threshold of |w|, and the number of pairs behind it."""
    magnitude, num_pairs = np.abs(observation.weight), 0
    for name, meaning in meanings.items():
        found = threshold_contrast(maps[name], magnitude, observation.next_mask, observation.pruned)
        definition = (
            "kept minus pruned at the |w| of the threshold, by local linear regression in log|w| with unit "
            f"intercepts (no effect: 0; NaN below 50 pairs; weight levels by threshold_num_pairs): {meaning}"
        )
        yield f"{name}_threshold_jump", Quantity(found.jump, (), definition)
        num_pairs = found.num_pairs
    # The same entries are undefined in all maps, so the last number stands for every one of them.
    pairs = "pairs of a kept and a pruned weight of one unit, both within a factor 1.25 of the threshold |w|"
    yield "threshold_num_pairs", Quantity(float(num_pairs), (), pairs)


def parts_of_kurtosis(parts: _Maps, observation: Observation, where: str) -> Iterator[tuple[str, Quantity]]:
    """Yield the contrasts of the two parts of Δκ, which add up to that of Δκ."""
    for part, meaning in PARTS.items():
        difference = difference_of_means(parts[part], observation.next_mask, observation.pruned)
        definition = f"kept minus pruned (no effect: 0): {meaning}{where} (− : without the weight)"
        yield f"delta_kurtosis_{part}_difference", Quantity(difference, (), definition)


def random_kept_sets(observation: Observation) -> list[np.ndarray]:
    """Return sets of kept weights drawn at random, as many in each unit as pruning keeps."""
    o = observation
    seed = derived_seed(o.seed, "cavity", o.layer, o.level)
    return [random_kept(o.mask, o.next_mask, seed=seed, draw=draw) for draw in range(_NUM_RANDOM_SETS)]
