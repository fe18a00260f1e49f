"""Levels of one layer, read one after the other, and the order in which their units are shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparsight.instruments import Quantity
from sparsight.store import Run


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelView:
    """One level of one layer, as the report and the movies show it; arrays are (unit, input)."""

    index: int
    density: float
    accuracy: float  # on the test samples, after training
    weight: np.ndarray  # float32, after training, 0 where pruned
    mask: np.ndarray  # bool: kept during the level
    next_mask: np.ndarray  # bool: kept after its pruning
    quantities: dict[str, Quantity]


def level_views(run: Run, condition: str, replicate: int, layer: str) -> Iterator[LevelView]:
    """Yield the levels of one layer, reading each only when it is asked for: one at a time is in memory."""
    name = f"{layer}.weight"
    for index in range(run.directory.num_levels(condition, replicate)):
        stored = run.level(condition, replicate, index)
        yield LevelView(
            index=index,
            density=stored.record.density,
            accuracy=stored.record.test_accuracy,
            weight=stored.final[name].numpy(),
            mask=stored.masks[name].numpy(),
            next_mask=stored.next_masks[name].numpy(),
            quantities=run.measures(condition, replicate, index).get(layer, {}),
        )


def order_of_units(view: LevelView) -> tuple[np.ndarray, str]:
    """Return the units in the order in which to show them, and a phrase that describes the order.

    Units are sorted by falling attained share of near pairs (by falling near, in runs that did not measure
    it); by falling fan-in where neither was measured.
    """
    for name, words in (
        ("attained_share_per_unit", "attained share"),
        ("near_per_unit", "near pairs over chance"),
    ):
        found = view.quantities.get(f"locality.{name}")
        if found is not None and np.isfinite(found.value).any():
            falling = np.argsort(-np.nan_to_num(np.asarray(found.value), nan=-np.inf), kind="stable")
            return falling, f"units sorted by {words} at level {view.index}, most compact first"
    falling = np.argsort(-view.mask.sum(axis=1), kind="stable")
    return falling, f"units sorted by fan-in at level {view.index}, largest first"
