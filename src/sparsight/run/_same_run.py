"""Whether a run goes on with what it was made with: data, own code, versions, machine and threads.

What would make levels of one run incomparable is refused, unless the caller accepts changes. Everything else
is said at once. Either way it is recorded, for the run and with every level that is computed from then on.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sparsight.data import Task, task_digests
from sparsight.errors import InputError
from sparsight.recipe import Condition
from sparsight.run._resources import Placement
from sparsight.store import (
    RunDirectory,
    environment_changes,
    made_with,
    missing_functions,
    own_functions,
    read_record,
)

DATA, LATER_DATA = "data", "later_data"
"""Keys of ``task.json``: the digests of the data a replicate began with, and of those it went on with."""

_OF_THE_CALL = ("threads", "together", "cuda_graph")
_DIGITS = 12

_log = logging.getLogger(__name__)


def check_same_code(directory: RunDirectory, *, accept_changes: bool = False) -> None:
    """Refuse to go on with a run whose own criteria, instruments or data sources have changed or are missing.

    Raises
    ------
    InputError
        With the functions and both digests.
    """
    conditions = [directory.recipe.condition(name) for name in directory.recipe.condition_names()]
    refuse_missing_code(directory, conditions)
    recorded = directory.own_code_digests()
    changed = {
        name: f"{name} was {_short(recorded[name])} and is {_short(function.sha256)}"
        for name, function in own_functions(conditions).items()
        if name in recorded and recorded[name] != function.sha256
    }
    if changed and not accept_changes and _has_begun(directory):
        copies = directory.own_code()
        kept = next((copies[name].folder for name in changed if name in copies), None)
        where = f" (a copy is in {directory.path / kept})" if kept else ""
        raise InputError(
            f"{directory.path}: the source of own functions has changed since the run was begun "
            f"({'; '.join(changed.values())}), and its levels would be made by two rules: give the former "
            f"source{where}, choose another --out, or go on with --accept-changes, which is recorded"
        )


def refuse_missing_code(
    directory: RunDirectory, conditions: Iterable[Condition], *, to_measure: bool = False
) -> None:
    """Raise `InputError` if conditions of a run use functions that are not registered in this process.

    To measure levels, nobody needs the criterion.
    """
    recorded = directory.own_code()
    missing = missing_functions(conditions, to_measure=to_measure)
    if missing:
        kept = next((recorded[name].folder for name in missing if name in recorded), None)
        where = f"; the run keeps its source in {directory.path / kept}" if kept else ""
        raise InputError(
            f"{directory.path} was made with {', '.join(missing)}, which this process does not know: give "
            f"--plugin FILE{where}"
        )


def note_same_code(directory: RunDirectory, *, accept_changes: bool = False) -> None:
    """Check as `check_same_code` does, and record the source of own functions that is new."""
    check_same_code(directory, accept_changes=accept_changes)
    conditions = [directory.recipe.condition(name) for name in directory.recipe.condition_names()]
    recorded = directory.own_code()
    new = {
        name: function
        for name, function in own_functions(conditions).items()
        if name not in recorded or recorded[name].sha256 != function.sha256
    }
    changed = [name for name in new if name in recorded]
    if changed and _has_begun(directory):
        _log.warning("%s goes on with another source of %s", directory.path, ", ".join(changed))
    directory.note_own_code(new)


def note_measuring_code(directory: RunDirectory, conditions: Iterable[Condition]) -> None:
    """Record the source of the user's own instruments with which every level was measured again."""
    recorded = directory.own_code()
    functions = own_functions(conditions, to_measure=True)
    directory.note_own_code(
        {
            name: function
            for name, function in functions.items()
            if name not in recorded or recorded[name].sha256 != function.sha256
        }
    )


def note_environment(directory: RunDirectory, placement: Placement, *, accept_changes: bool = False) -> None:
    """Say at once, and record, that a run goes on with other versions, machine, threads or kernels.

    Raises
    ------
    InputError
        If numpy or torch draw other numbers from the same seed than those that the run began with.
    """
    if not _has_begun(directory) or all(directory.is_finished(*each) for each in directory.replicates()):
        return
    changes = environment_changes(directory.latest_environment(), made_with())
    drawn = changes.pop("streams", None)
    if drawn is not None and not accept_changes:
        raise InputError(
            f"{directory.path}: the installed numpy or torch draw other numbers from the same seed than "
            f"those that the run was begun with ({_in_words(changes)}), so that its levels would not "
            "belong to one replicate: install the former versions, choose another --out, or go on with "
            "--accept-changes, which is recorded"
        )
    before, now = directory.placement(), asdict(placement)
    changes |= {
        name: (before[name], now[name])
        for name in _OF_THE_CALL
        if name in before and before[name] != now[name]
    }
    if changes:
        _log.warning(
            "%s goes on with %s: levels computed from now on are comparable with those before, but equal an "
            "uninterrupted run up to rounding only. environment.json and the record of every level say so.%s",
            directory.path,
            _in_words(changes),
            " The changelog says which rules changed in this sparsight." if "sparsight" in changes else "",
        )
    if drawn is not None:
        changes["streams"] = drawn
    if changes:
        directory.note_environment_changes(changes)


def compared_data(
    directory: RunDirectory,
    condition: str,
    replicate: int,
    task: Task,
    before: Mapping[str, Any],
    *,
    accept_changes: bool = False,
) -> dict[str, Any]:
    """Return the facts about a replicate's data for ``task.json``, after comparing them with those `before`.

    Raises
    ------
    InputError
        If a replicate that has begun was begun with other data; with the digests of both.
    """
    now = task_digests(task)
    recorded = before.get(DATA)
    if recorded is None or not directory.has_begun(condition, replicate):
        return {DATA: now}
    later = list(before.get(LATER_DATA, ()))
    latest = later[-1]["digests"] if later else recorded
    changed = [name for name in sorted(now | latest) if now.get(name) != latest.get(name)]
    if changed:
        where = directory.replicate(condition, replicate)
        words = "; ".join(
            f"{name} {_short(latest.get(name))} then, {_short(now.get(name))} now" for name in changed
        )
        if not accept_changes:
            raise InputError(
                f"{where} was begun with other data (SHA-256 of {words}): put the former data back, choose "
                "another --out, or go on with --accept-changes, which is recorded. Data that are computed "
                "can differ in rounding on another machine or with other versions"
            )
        _log.warning("%s goes on with other data (%s)", where, words)
        later.append({"level": directory.num_levels(condition, replicate), "digests": now})
    return {DATA: recorded} | ({LATER_DATA: later} if later else {})


def data_digest(facts: Mapping[str, Any]) -> str | None:
    """Return one SHA-256 for the data that a replicate goes on with; None if they were not recorded."""
    later = facts.get(LATER_DATA)
    digests = later[-1]["digests"] if later else facts.get(DATA)
    if digests is None:
        return None
    return hashlib.sha256(
        " ".join(f"{name}={digests[name]}" for name in sorted(digests)).encode()
    ).hexdigest()


def say_other_crossovers(
    directory: RunDirectory, condition: str, replicate: int, crossovers: Mapping[str, float]
) -> None:
    """Say that layers may take other kernels than in the last stored level: the crossovers are others."""
    stored = directory.num_levels(condition, replicate)
    before = read_record(directory.level(condition, replicate, stored - 1)).crossovers if stored else {}
    changed = {
        shape: (before[shape], crossovers[shape])
        for shape in crossovers
        if shape in before and before[shape] != crossovers[shape]
    }
    if changed:
        _log.warning(
            "%s: crossovers were measured again (%s), so that layers may take other kernels: levels from now "
            "on equal an uninterrupted run up to rounding only. The record of every level says which it took",
            directory.replicate(condition, replicate),
            _in_words(changed),
        )


def _has_begun(directory: RunDirectory) -> bool:
    return any(directory.has_begun(*each) for each in directory.replicates())


def _in_words(changes: Mapping[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} {now} instead of {before}" for name, (before, now) in changes.items())


def _short(digest: str | None) -> str:
    return digest[:_DIGITS] if digest else "unknown"
