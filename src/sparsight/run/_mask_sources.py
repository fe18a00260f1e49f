"""Masks that a replicate takes from elsewhere, and the record that notices if they change."""

from collections.abc import Mapping
from typing import Any

from sparsight.errors import InputError
from sparsight.prune import (
    WINDOWS,
    CompactWindows,
    MaskSource,
    PruningSettings,
    RearrangedMasks,
    State,
    dense_masks,
    starting_state,
)
from sparsight.recipe import Condition, masks_of
from sparsight.run._building import Built, build_network
from sparsight.store import RunDirectory, StoredMasks
from sparsight.streams import derived_seed


def stored_masks(directory: RunDirectory, pruning: PruningSettings, number: int) -> StoredMasks | None:
    """Return the stored masks that replicate `number` takes; None if it takes none of a replicate.

    Raises
    ------
    InputError
        If there is no such run, condition or replicate.
    """
    source = masks_of(pruning)
    if source is None:
        return None
    of = directory if source.run is None else RunDirectory.open(source.run)
    if pruning.masks_replicate_offset:
        number = (number + pruning.masks_replicate_offset) % of.recipe.replicates
    return StoredMasks(of, source.condition, number)


def mask_source(
    pruning: PruningSettings, stored: StoredMasks | None, built: Built, seed: int
) -> MaskSource | None:
    """Return where the masks of a replicate come from, rearranged as its settings say; None: a criterion."""
    geometry = built.task.geometry
    source: MaskSource | None = stored
    if pruning.masks_from == WINDOWS:
        shapes = {name: tuple(mask.shape) for name, mask in dense_masks(built.network, pruning).items()}
        source = CompactWindows(shapes=shapes, geometry=geometry, pruning=pruning, seed=seed)
    if source is None or pruning.rearranged == "none":
        return source
    return RearrangedMasks(source=source, how=pruning.rearranged, seed=seed, geometry=geometry)


def starting_state_of(condition: Condition, built: Built, seed: int) -> State | None:
    """Return the weights that a replicate's masks are trained from; None: the rewound ones."""
    if condition.pruning.weights == "rewound":
        return None
    fresh = build_network(condition, built.task, derived_seed(seed, "fresh weights"))
    return starting_state(built.network, fresh, condition.pruning.weights)


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Refuse to continue a replicate, called `where`, whose masks came from something that has changed since.

    Both are facts of `StoredMasks`, as recorded and as they are; the run may have been moved.

    Raises
    ------
    InputError
        With what has changed.
    """
    changed = [key for key in now if key != "run" and before.get(key) != now[key]]
    if changed:
        raise InputError(
            f"{where} was begun with masks of {before.get('run')}:{before.get('condition')}, which has "
            f"changed since ({', '.join(changed)} differ): put the former one back, or choose another --out"
        )
