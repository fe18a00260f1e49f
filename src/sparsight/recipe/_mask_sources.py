"""Where the conditions of a recipe take their masks from, and the order of work that follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparsight.errors import InputError
from sparsight.prune import WINDOWS, PruningSettings
from sparsight.registry import suggest


@dataclass(frozen=True)
class MasksOf:
    """A condition whose masks another one takes; `run` is None if both belong to one recipe."""

    run: Path | None
    condition: str


def masks_of(pruning: PruningSettings) -> MasksOf | None:
    """Return whose masks these settings take; None if they find their own, or plant windows.

    Raises
    ------
    InputError
        If ``path/to/run:condition`` lacks one of its parts.
    """
    given = pruning.masks_from
    if given is None or given == WINDOWS:
        return None
    path, colon, name = given.rpartition(":")
    if not colon:
        return MasksOf(None, given)
    if not path or not name:
        raise InputError(
            f"pruning.masks_from is {given!r}; give another condition, path/to/run:condition, or {WINDOWS!r}"
        )
    return MasksOf(Path(path), name)


def check_nested_source(name: str, source: str, pruning: PruningSettings) -> None:
    """Refuse a source, called `source`, whose masks of a level are not part of those of the level before.

    Parameters
    ----------
    name : str
        The condition that takes the masks.
    pruning : PruningSettings
        Of the source.

    Raises
    ------
    InputError
        If regrowth brings connections back in more than one level of the source.
    """
    if pruning.regrowth != "none" and not pruning.prunes_once:
        raise InputError(
            f"conditions.{name}: pruning.masks_from is {source!r}, whose pruning.regrowth is "
            f"{pruning.regrowth!r} at several levels: connections that were removed come back, and masks of "
            "a level must be part of those of the level before; take masks of a condition with schedule = "
            "'one_shot'"
        )


def chain_of_sources(name: str, pruning: Mapping[str, PruningSettings]) -> list[str]:
    """Return a condition, the condition of the recipe whose masks it takes, that one's source, and so on.

    Parameters
    ----------
    pruning : mapping of str to PruningSettings
        The settings of all conditions of the recipe.

    Raises
    ------
    InputError
        If a source is unknown, or refers back to a condition before it.
    """
    chain, source = [name], masks_of(pruning[name])
    while source is not None and source.run is None:
        given = source.condition
        if given not in pruning:
            raise InputError(
                f"conditions.{chain[-1]}: pruning.masks_from is {given!r}, which is no condition of this "
                f"recipe{suggest(given, pruning)} (there are: {', '.join(pruning)}; also allowed: "
                f"path/to/run:condition and {WINDOWS!r})"
            )
        if given in chain:
            circle = " → ".join([*chain[chain.index(given) :], given])
            raise InputError(
                f"conditions.{name}: pruning.masks_from goes in a circle ({circle}); one of them has to find "
                "its own masks"
            )
        chain.append(given)
        source = masks_of(pruning[given])
    return chain
