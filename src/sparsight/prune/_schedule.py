"""Schedule: how many weights each level keeps, and which level is the last.

The pruning loop follows these rules, and everything that looks ahead (the check of settings, one-shot
pruning, the levels that ``sparsight status`` expects) predicts with the same rules, to the weight.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from sparsight.errors import InputError
from sparsight.prune._distribution import counts_of_table, shared_out
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


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters whose weights are ranked together.

    Attributes
    ----------
    names : tuple of str
        Of the parameters.
    size : int
        Their number of weights.
    sides : int
        Sum of the sides of the weights' shapes: the share of a layer in Erdős–Rényi–Kernel densities.
    grain : int
        Weights that are kept or removed together: 1, or those of a unit.
    least : int
        Weights that are kept in any case: one unit with ``pruning.granularity = "unit"``, and what
        ``pruning.min_inputs_per_unit`` demands.
    """

    names: tuple[str, ...]
    size: int
    sides: int
    grain: int
    least: int

    @classmethod
    def of(
        cls, names: Sequence[str], shapes: Mapping[str, Sequence[int]], pruning: PruningSettings
    ) -> "Group":
        """Return the group of these parameters."""
        weights = [shapes[name] for name in names if len(shapes[name]) > 1]  # a bias has no inputs
        of_unit = sum(prod(shapes[name][1:]) for name in names)
        floor = sum(shape[0] * min(pruning.min_inputs_per_unit, prod(shape[1:])) for shape in weights)
        has_whole_units = pruning.granularity == "unit"
        return cls(
            names=tuple(names),
            size=sum(prod(shapes[name]) for name in names),
            sides=sum(map(sum, weights)),
            grain=of_unit if has_whole_units else 1,
            least=of_unit if has_whole_units else floor,
        )


@dataclass(frozen=True)
class Schedule:
    """The numbers of weights that the levels of one network keep.

    Attributes
    ----------
    groups : tuple of Group
        The parameters that are ranked together: a single group with scope ``global``, one for each layer
        with scope ``layer``.
    pruning : PruningSettings
        The rate and the conditions that end pruning.

    Raises
    ------
    InputError
        If ``pruning.distribution`` is a table that is not of these layers.
    """

    groups: tuple[Group, ...]
    pruning: PruningSettings

    def __post_init__(self) -> None:
        _ = self._counts_of_table  # refuses a table that is not of these layers

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]], pruning: PruningSettings) -> "Schedule":
        """Return the schedule of a network, from the shape of each prunable parameter by name."""
        # Windows know no scores that would share a number of weights out among the layers.
        groups = groups_of(list(shapes), "layer" if pruning.masks_from == WINDOWS else pruning.scope)
        return cls(tuple(Group.of(names, shapes, pruning) for names in groups), pruning)

    @property
    def num_weights(self) -> int:
        """Number of prunable weights."""
        return sum(group.size for group in self.groups)

    def num_kept(self) -> list[int]:
        """Return the number of weights kept at level 0, 1, … and the last.

        Only ``pruning.min_connected_fraction``, which depends on the masks, can end a run earlier.
        """
        iterative = list(map(sum, self._iterative()))
        is_one_shot = self.pruning.prunes_once and len(iterative) > 1
        return [iterative[0], iterative[-1]] if is_one_shot else iterative

    def kept_at(self, level: int) -> dict[tuple[str, ...], int]:
        """Return the number of weights that each group keeps at a level, by the names of its parameters.

        The level may be beyond the last: pruning after the last level follows the same rules.
        """
        kept = next(itertools.islice(self._kept_by_round(), self.num_rounds(level), None))
        return {group.names: number for group, number in zip(self.groups, kept, strict=True)}

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
            If a round removes less than one weight of every group, or the groups are down to what is kept in
            any case.
        """
        least = sum(group.least for group in self.groups)
        for level, (before, after) in enumerate(itertools.pairwise(self._wanted_by_round())):
            num_kept = sum(self._allowed(before))
            if self._has_pruned_enough(level, num_kept):
                return
            if num_kept == least:
                raise InputError(
                    f"{self._end} cannot be reached: {self._what_is_kept} {least} of {self.num_weights} "
                    f"weights; change that or raise {self._end.split()[0]}"
                )
            if after == before and self.pruning.schedule != "cubic":  # which ends with max_levels
                raise InputError(
                    f"{self._end} cannot be reached: at level {level} a "
                    f"rate of {self.pruning.rate:g} of {sum(before)} kept weights is less than one weight; "
                    f"raise pruning.rate or {self._end.split()[0]}"
                )

    @property
    def _end(self) -> str:
        if self._counts_of_table is not None:
            return "pruning.distribution"
        return f"pruning.min_density {self.pruning.min_density:g}"

    @property
    def _what_is_kept(self) -> str:
        if self.pruning.granularity == "unit":
            return "pruning.granularity 'unit' keeps one unit a layer, which has"
        return f"pruning.min_inputs_per_unit {self.pruning.min_inputs_per_unit} keeps"

    def _allowed(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """Return what is kept of each group, in whole grains, where the rate alone would keep this much."""
        return tuple(
            max(-(-number // group.grain) * group.grain, group.least)
            for number, group in zip(wanted, self.groups, strict=True)
        )

    @cached_property
    def _counts_of_table(self) -> tuple[int, ...] | None:
        """The number of weights that each layer ends with, where a table gives densities."""
        if not isinstance(self.pruning.distribution, dict):
            return None
        layers = [layer_of(group.names[0]) for group in self.groups]
        return counts_of_table(self.pruning.distribution, layers, [group.size for group in self.groups])

    def _has_pruned_enough(self, level: int, num_kept: int) -> bool:
        if level >= self.pruning.max_levels:
            return True
        if self._counts_of_table is not None:
            return num_kept <= sum(self._allowed(self._counts_of_table))
        return num_kept / self.num_weights <= self.pruning.min_density

    def _iterative(self) -> Iterator[tuple[int, ...]]:
        """Yield what iterative pruning keeps of each group at level 0, 1, … and the last."""
        # Each group is rounded down on its own, so with scope = "layer" the total can exceed what one group
        # of all weights would keep, and the run can need one level more to reach min_density.
        for level, kept in enumerate(self._kept_by_round()):
            yield kept
            if self._has_pruned_enough(level, sum(kept)):
                return

    def _kept_by_round(self) -> Iterator[tuple[int, ...]]:
        """Yield what is kept of each group after 0, 1, … rounds, without end."""
        return map(self._allowed, self._wanted_by_round())

    def _wanted_by_round(self) -> Iterator[tuple[int, ...]]:
        """Yield what is to be kept of each group after 0, 1, … rounds, by rate and distribution alone."""
        sizes = [group.size for group in self.groups]
        if self.pruning.distribution == "erk":
            shares = [group.sides for group in self.groups]
            for total in self._decline(sum(sizes)):
                yield tuple(shared_out(total, shares, sizes))
        elif self._counts_of_table is not None:
            # What is removed is shared out, and not what is kept: so a layer is dense as long as the network
            # is, and has its density when the network has that of the table.
            to_remove = [size - kept for size, kept in zip(sizes, self._counts_of_table, strict=True)]
            for total in self._decline(sum(sizes), sum(self._counts_of_table)):
                num_gone = min(sum(sizes) - total, sum(to_remove))
                removed = shared_out(num_gone, to_remove, to_remove)
                yield tuple(size - gone for size, gone in zip(sizes, removed, strict=True))
        else:
            yield from zip(*map(self._decline, sizes), strict=True)

    def _decline(self, size: int, least: int | None = None) -> Iterator[int]:
        """Yield how many of `size` weights remain after 0, 1, … rounds, without end.

        A cubic schedule ends with `least`, by default the weights at ``pruning.min_density``, at least one.
        """
        if self.pruning.schedule == "cubic":
            least = max(num_removed(self.pruning.min_density, size), 1) if least is None else least
            num_rounds = max(self.pruning.max_levels, 1)
            for level in itertools.count():
                part = 1 - Fraction(min(level, num_rounds), num_rounds)
                yield least + int((size - least) * part**3)
        kept = size
        while True:
            yield kept
            kept -= num_removed(self.pruning.rate, kept)
