"""Schedule: how many weights each level keeps, and which level is the last.

The pruning loop follows these rules, and everything that looks ahead (the check of settings, one-shot
pruning, the levels that ``sparsight status`` expects) predicts with the same rules, to the weight.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from sparsight.errors import InputError
from sparsight.prune._settings import WINDOWS, PruningSettings, Scope


def num_removed(rate: float, num_kept: int) -> int:
    """Return ⌊rate · num_kept⌋, with the rate read as the decimal number it is written as.

    In floating point 0.29 · 100 is 28.999…96, which would round down to 28; here it is 29.

    Examples
    --------
    >>> num_removed(0.29, 100)
    29
    """
    if not 0 <= rate <= 1:
        raise InputError(f"rate is {rate}; a share from 0 to 1 is needed")
    if num_kept < 0:
        raise InputError(f"num_kept is {num_kept}; 0 or more is allowed")
    # repr gives the shortest decimal that stands for the float, which is what the recipe says; as a fraction
    # it makes the product exact, so counts agree on every machine and after any number of levels.
    return int(Fraction(repr(float(rate))) * num_kept)


def num_kept_by_level(num_weights: int, rate: float, num_levels: int) -> list[int]:
    """Return how many of `num_weights` are kept at levels 0 … `num_levels` of iterative pruning."""
    for name, number in (("num_weights", num_weights), ("num_levels", num_levels)):
        if number < 0:
            raise InputError(f"{name} is {number}; 0 or more is allowed")
    kept = [num_weights]
    for _ in range(num_levels):
        kept.append(kept[-1] - num_removed(rate, kept[-1]))
    return kept


def layer_of(parameter_name: str) -> str:
    """Return the layer that a parameter belongs to.

    ``linear_0`` for ``linear_0.weight``, and ``attention.in_proj`` for ``attention.in_proj_weight``.
    """
    module, _, attribute = parameter_name.rpartition(".")
    return f"{module}.in_proj" if attribute in ("in_proj_weight", "in_proj_bias") else module


def groups_of(names: Sequence[str], scope: Scope) -> list[list[str]]:
    """Return the groups of parameters that are ranked together: one of all, or one for each layer."""
    if scope == "global":
        return [list(names)]
    if scope != "layer":
        raise InputError(f"scope is {scope!r}; 'global' and 'layer' are allowed")
    by_layer: dict[str, list[str]] = {}
    for name in names:
        by_layer.setdefault(layer_of(name), []).append(name)
    return list(by_layer.values())


@dataclass(frozen=True)
class Schedule:
    """The numbers of weights that the levels of one network keep.

    Attributes
    ----------
    group_sizes : tuple of int
        Prunable weights in each group that is ranked together: a single group with scope ``global``, one
        for each layer with scope ``layer``.
    pruning : PruningSettings
        The rate and the conditions that end pruning.
    """

    group_sizes: tuple[int, ...]
    pruning: PruningSettings

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]], pruning: PruningSettings) -> "Schedule":
        """Return the schedule of a network, from the shape of each prunable parameter by name."""
        # Windows know no scores that would share a number of weights out among the layers.
        groups = groups_of(list(shapes), "layer" if pruning.masks_from == WINDOWS else pruning.scope)
        return cls(tuple(sum(prod(shapes[name]) for name in group) for group in groups), pruning)

    @property
    def num_weights(self) -> int:
        """Number of prunable weights."""
        return sum(self.group_sizes)

    def num_kept(self) -> list[int]:
        """Return the number of weights kept at level 0, 1, … and the last.

        Only ``pruning.min_connected_fraction``, which depends on the masks, can end a run earlier.
        """
        iterative = list(self._iterative())
        is_one_shot = self.pruning.prunes_once and len(iterative) > 1
        return [iterative[0], iterative[-1]] if is_one_shot else iterative

    def is_last(self, level: int, num_kept: int) -> bool:
        """Return whether a level that keeps this many weights is the last."""
        return self._has_pruned_enough(level, num_kept) or (self.pruning.prunes_once and level == 1)

    def rounds_after(self, level: int) -> int:
        """Return how many rounds of pruning are made at once after a level."""
        if not self.pruning.prunes_once or level > 0:
            return 1
        # One shot removes as many weights as the rounds of iterative pruning would, each rounded down: a
        # single ⌊…⌋ of their product would end at another density, and the two schedules must be comparable.
        return max(len(list(self._iterative())) - 1, 1)

    def stretch(self, level: int) -> int:
        """Return how many times as long as a level of iterative pruning a level is trained."""
        is_stretched = self.pruning.schedule == "one_shot_equal_compute" and level > 0
        return self.rounds_after(0) if is_stretched else 1

    def num_rounds(self, level: int) -> int:
        """Return how many rounds of pruning lead to a level."""
        return 0 if level == 0 else self.rounds_after(0) + level - 1

    def check_that_it_ends(self) -> None:
        """Refuse a schedule that stops removing weights above ``pruning.min_density``.

        Raises
        ------
        InputError
            If a round removes less than one weight of every group.
        """
        for level, (before, after) in enumerate(itertools.pairwise(self._iterative())):
            if after == before:
                raise InputError(
                    f"pruning.min_density {self.pruning.min_density:g} cannot be reached: at level {level} a "
                    f"rate of {self.pruning.rate:g} of {before} kept weights is less than one weight; "
                    "raise pruning.rate or pruning.min_density"
                )

    def _has_pruned_enough(self, level: int, num_kept: int) -> bool:
        return level >= self.pruning.max_levels or num_kept / self.num_weights <= self.pruning.min_density

    def _iterative(self) -> Iterator[int]:
        """Yield the number of weights that iterative pruning keeps at level 0, 1, … and the last."""
        # Each group is rounded down on its own, so with scope = "layer" the total can exceed what one group
        # of all weights would keep, and the run can need one level more to reach min_density.
        kept = self.group_sizes
        for level in itertools.count():
            yield sum(kept)
            if self._has_pruned_enough(level, sum(kept)):
                return
            kept = tuple(number - num_removed(self.pruning.rate, number) for number in kept)
