"""Sources of masks: where the masks of every level come from if no criterion chooses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from sparsight.errors import InputError
from sparsight.prune._masks import check_mask
from sparsight.train import Masks


@runtime_checkable
class MaskSource(Protocol):
    """Masks level by level, in place of a criterion and a schedule.

    An object with these two members can be given to `sparsight.imp` as `masks`.

    Attributes
    ----------
    num_levels : int
        Levels to train: 0 … num_levels − 1.
    """

    @property
    def num_levels(self) -> int: ...

    def masks(self, level: int) -> Masks:
        """Return the masks of a level; those of level `num_levels` are what pruning leaves after the last.

        They are bool tensors on the CPU, by parameter name. Each level's are part of those of the level
        before.
        """
        ...


@dataclass(frozen=True, eq=False)
class ListedMasks:
    """The masks of levels 0, 1, … as a list. After the last level nothing is pruned."""

    levels: Sequence[Mapping[str, Tensor]]

    def __post_init__(self) -> None:
        if not self.levels:
            raise InputError("masks are empty; give the masks of at least one level")

    @property
    def num_levels(self) -> int:
        """Levels to train."""
        return len(self.levels)

    def masks(self, level: int) -> Masks:
        """Return the masks of a level."""
        return {name: mask.cpu() for name, mask in self.levels[min(level, self.num_levels - 1)].items()}


def as_source(masks: MaskSource | Sequence[Mapping[str, Tensor]]) -> MaskSource:
    """Return a source of masks, checking a list of them now and not when its level comes.

    Raises
    ------
    InputError
        If the list is empty, an entry is not a bool tensor, or a level keeps what the one before removed.
    """
    if not isinstance(masks, Sequence):
        return masks
    source = ListedMasks(masks)
    first = {name: tuple(mask.shape) for name, mask in masks[0].items()}
    for level in range(len(masks)):
        check_shapes(masks[level], first, f"masks[{level}]")
        check_nested(masks[max(level - 1, 0)], masks[level], f"masks[{level}]")
    return source


def check_shapes(masks: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], origin: str) -> None:
    """Refuse masks that are not for parameters of these names and shapes; messages call them `origin`.

    Raises
    ------
    InputError
        If a name is missing or not among them, or a mask has another dtype or shape.
    """
    if masks.keys() != shapes.keys():
        raise InputError(
            f"{origin} are for {', '.join(masks) or 'nothing'}, but this network prunes {', '.join(shapes)}: "
            "take masks of the same layers (see pruning.prune_output and pruning.prune_biases)"
        )
    for name, shape in shapes.items():
        try:
            check_mask(name, masks[name], tuple(shape))
        except InputError as error:
            raise InputError(f"{origin}: {error}") from None


def check_nested(before: Mapping[str, Tensor], after: Mapping[str, Tensor], origin: str) -> None:
    """Refuse masks `after`, which messages call `origin`, that keep what the level `before` had removed.

    Raises
    ------
    InputError
        If a mask is not part of the one before.
    """
    for name, mask in after.items():
        if num_back := int((mask & ~before[name]).count_nonzero()):
            raise InputError(
                f"{origin} keep {num_back} entries of {name} that the level before had removed; masks of a "
                "level must be part of those of the level before"
            )
