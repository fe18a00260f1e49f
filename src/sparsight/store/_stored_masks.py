"""Masks of a stored replicate, as another condition takes them."""

import hashlib
from typing import Any

import numpy as np

from sparsight.errors import InputError
from sparsight.store._level_files import read_masks
from sparsight.store._run_directory import RunDirectory
from sparsight.train import Masks

MASKS_FROM = "masks_from"
"""Key of ``task.json`` under which it is recorded whose masks a replicate takes."""


class StoredMasks:
    """The masks of one replicate of one condition of a run, level by level: a `sparsight.prune.MaskSource`.

    Raises
    ------
    InputError
        If the run has no such condition or replicate.
    """

    def __init__(self, directory: RunDirectory, condition: str, replicate: int) -> None:
        directory.recipe.condition(condition)
        if replicate >= directory.recipe.replicates:
            raise InputError(
                f"{directory.path} has {directory.recipe.replicates} replicates, and masks of its replicate "
                f"{replicate} are asked for: run it with more, or set replicates to "
                f"{directory.recipe.replicates} here"
            )
        self.directory, self.condition, self.replicate = directory, condition, replicate

    def __str__(self) -> str:
        return f"{self.directory.path}:{self.condition}, replicate {self.replicate}"

    @property
    def num_levels(self) -> int:
        """Stored levels."""
        return self.directory.num_levels(self.condition, self.replicate)

    def masks(self, level: int) -> Masks:
        """Return the masks of a level; after the last one, what its pruning left.

        Raises
        ------
        InputError
            If the file of the masks is missing or damaged.
        """
        last = self.num_levels - 1
        folder = self.directory.level(self.condition, self.replicate, min(level, last))
        masks, next_masks = read_masks(folder)
        return next_masks if level > last else masks

    @property
    def failure(self) -> str | None:
        """Why the replicate could not be finished, if its training diverged."""
        return self.directory.failure(self.condition, self.replicate)

    def check_finished(self) -> None:
        """Refuse a replicate that is not finished: its masks are not all there yet.

        Raises
        ------
        InputError
            With what is missing, and why if its training diverged.
        """
        if not self.directory.is_finished(self.condition, self.replicate):
            why = f"diverged ({self.failure})" if self.failure else f"has {self.num_levels} levels so far"
            raise InputError(
                f"masks of {self} are asked for, but it is not finished: it {why}. Run that to its end first"
            )

    def facts(self) -> dict[str, Any]:
        """Return what identifies these masks: the recipe's identity, and a SHA-256 for each level.

        The last SHA-256 is that of the masks that are left after the last level.
        """
        return {
            "run": str(self.directory.path.absolute()),
            "recipe": self.directory.recipe.identity(),
            "condition": self.condition,
            "replicate": self.replicate,
            "num_levels": self.num_levels,
            "masks": [_digest(self.masks(level)) for level in range(self.num_levels + 1)],
        }


def _digest(masks: Masks) -> str:
    # Over the bits and not over their file, whose metadata can come in any order.
    digest = hashlib.sha256()
    for name in sorted(masks):
        digest.update(f"{name} {tuple(masks[name].shape)}".encode())
        digest.update(np.packbits(masks[name].numpy().reshape(-1)).tobytes())
    return digest.hexdigest()
