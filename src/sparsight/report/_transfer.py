"""Transfer of masks: which conditions train masks of one kind of data on another, and how well."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.figures import words_of
from sparsight.instruments import NETWORK
from sparsight.measure import Interval, difference, paired_difference, student_interval
from sparsight.prune import WINDOWS
from sparsight.recipe import Condition, DataSettings, masks_of
from sparsight.report._subjects import Subject, Summaries
from sparsight.report._tickets import rearranged_in_words, weights_in_words
from sparsight.store import MASKS_FROM, Run

RANDOM = "random"
"""Row of the masks of random pruning: the control."""

_LONGEST_VALUE = 24
"""Letters of a data setting in a label."""

_NOTHING = (None, "none", False)
"""Values of a data setting that go without saying; a noise of 0 is one of them."""


@dataclass(frozen=True)
class _Origin:
    """Where a chain of ``pruning.masks_from`` begins."""

    name: str  # the condition that found the masks, or words for masks that no search found
    search: Condition | None  # that condition; None for random masks, windows and those of an unknown run
    changes: tuple[str, ...] = ()  # what became of the masks on the way, in words


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A subject and its place in the matrix.

    `training` is equal for equal data, network and training; `masks` for masks that equal searches found on
    equal data, changed in the same ways.
    """

    subject: str
    data: DataSettings
    training: str
    masks: str
    origin: _Origin
    source: str = ""  # label of the row
    target: str = ""  # label of the column

    @property
    def is_own(self) -> bool:
        """Whether this very training found the masks."""
        return self.found_in == self.training and not self.origin.changes

    @property
    def found_in(self) -> str:
        """The training that found the masks, as `training`; empty if no search did, or an unknown one."""
        return "" if self.origin.search is None else _training_key(self.origin.search)

    @property
    def is_moved(self) -> bool:
        """Whether the masks were found on other data."""
        return self.origin.search is not None and self.origin.search.data != self.data


def transfer_table(*runs: Run, quantity: str = "test_accuracy", layer: str | None = None) -> pd.DataFrame:
    """Return one quantity of each pair of masks and training, at the lowest density that all pairs reached.

    The pairs follow from ``pruning.masks_from`` of the recipes. The matrix has a column for each training
    that takes masks found on other data, and for each training in which such masks were found.

    Parameters
    ----------
    *runs : Run
        With several, conditions are named ``run: condition``.
    quantity : str
        Name from the column ``quantity`` of `Run.frame`.
    layer : str, optional
        Default: the first that was measured, or the whole network for its quantities.

    Returns
    -------
    pandas.DataFrame
        One row for each pair, empty without any transfer: ``source`` (the data on which the masks were found,
        and how they were changed; ``random`` for random pruning), ``target`` (the data trained on),
        ``condition``, ``level``, ``density``, ``is_own`` (whether this training found the masks), ``mean``,
        ``low``, ``high``, ``num_replicates`` (Student's 95 % interval over replicates), ``reference`` (the
        condition of the column with its own masks; empty without one), ``difference``, ``difference_low``,
        ``difference_high`` (to the reference, paired by seed where seeds are shared). Where two conditions
        have one place, the table holds the first.

    Raises
    ------
    InputError
        If the quantity was not measured.
    """
    summaries = Summaries(*runs)
    table = transfer_of(summaries, quantity, layer or next(iter(summaries.layers), NETWORK))
    if len(table) and not table["mean"].notna().any():
        raise InputError(f"{quantity} has no value in the conditions between which masks are transferred")
    return table


def transfer_of(summaries: Summaries, quantity: str, layer: str) -> pd.DataFrame:
    """Return the table of `transfer_table` from summaries."""
    pairs = transfer_pairs(summaries)
    levels = summaries.compared_levels([pair.subject for pair in pairs])
    where = NETWORK if summaries.has(quantity, NETWORK) else words_of(quantity).layer(layer)
    values = {name: summaries.values(quantity, where, name, level) for name, level in levels.items()}
    references = {pair.training: pair.subject for pair in reversed(pairs) if pair.is_own}
    return pd.DataFrame(
        [
            {
                "source": pair.source,
                "target": pair.target,
                "condition": pair.subject,
                "level": levels[pair.subject],
                "density": summaries.density(pair.subject, levels[pair.subject]),
                "is_own": pair.subject == references.get(pair.training),
                **_numbers(values, pair.subject, references.get(pair.training, "")),
            }
            for pair in pairs
        ]
    )


def _numbers(values: Mapping[str, pd.Series], subject: str, reference: str) -> dict[str, object]:
    own = student_interval(values[subject].to_numpy(np.float64))
    beside = None
    if reference not in ("", subject):
        beside = _difference(values[subject], values[reference])
    return {
        "mean": own.mean,
        "low": own.low,
        "high": own.high,
        "num_replicates": own.num_replicates,
        "reference": reference,
        "difference": beside.mean if beside else np.nan,
        "difference_low": beside.low if beside else np.nan,
        "difference_high": beside.high if beside else np.nan,
    }


def _difference(values: pd.Series, reference: pd.Series) -> Interval:
    own, theirs = values.to_numpy(np.float64), reference.to_numpy(np.float64)
    if len(values.index.intersection(reference.index)):
        return paired_difference(own, theirs, list(values.index), list(reference.index))
    return difference(own, theirs)


def transfer_pairs(summaries: Summaries) -> list[Pair]:
    """Return the pairs of the matrix: rows with own masks first, in the order of the columns; random last."""
    runs = list(summaries.runs.values())
    found = [_pair(subject, runs) for subject in summaries.subjects.values()]
    columns = {training for pair in found if pair.is_moved for training in (pair.training, pair.found_in)}
    places: dict[tuple[str, str], Pair] = {}
    for pair in found:
        if pair.training in columns:
            places.setdefault((pair.masks, pair.training), pair)
    shown = _labelled(list(places.values()))
    first = [pair.source for pair in shown if pair.is_own]
    rest = [pair.source for pair in shown if pair.origin.name != RANDOM]
    rows = list(dict.fromkeys([*first, *rest, *(pair.source for pair in shown)]))
    return sorted(shown, key=lambda pair: rows.index(pair.source))


def _pair(subject: Subject, runs: Sequence[Run]) -> Pair:
    condition = subject.run.recipe.condition(subject.condition)
    origin = _origin(subject.run, subject.condition, runs)
    origin = replace(origin, changes=(*origin.changes, *weights_in_words(condition.pruning)))
    search = origin.name if origin.search is None else _search_key(origin.search)
    return Pair(
        subject=subject.name,
        data=condition.data,
        training=_training_key(condition),
        masks=json.dumps([search, origin.changes]),
        origin=origin,
    )


def _origin(run: Run, name: str, runs: Sequence[Run], seen: tuple[tuple[Run, str], ...] = ()) -> _Origin:
    """Trace the masks of a condition back to the search that found them, through the given runs."""
    condition = run.recipe.condition(name)
    pruning, source = condition.pruning, masks_of(condition.pruning)
    if source is None and pruning.masks_from != WINDOWS:
        return _Origin(RANDOM, None) if pruning.is_random else _Origin(name, condition)
    seed = ["of another seed"] if pruning.masks_replicate_offset else []
    changes = (*seed, *rearranged_in_words(pruning))
    if source is None:
        return _Origin("compact windows", None, changes)
    of = run if source.run is None else _recorded_run(run, name, source.run, runs)
    # Two runs that somebody edited could name each other.
    if of is None or (of, source.condition) in seen or source.condition not in of.recipe.condition_names():
        return _Origin(str(pruning.masks_from), None, changes)
    before = _origin(of, source.condition, runs, (*seen, (run, name)))
    return replace(before, changes=before.changes + changes)


def _recorded_run(run: Run, name: str, path: Path, runs: Sequence[Run]) -> Run | None:
    """Return which of the runs a condition took its masks from; None if it is none of them.

    A replicate records the recipe of that run, which tells it even after it was moved; of several runs of
    that recipe it is the one in the same place.
    """
    recorded: dict[str, object] = {}
    for replicate in (number for each, number in run.directory.replicates() if each == name):
        with suppress(InputError):
            facts = run.directory.task_facts(name, replicate).get(MASKS_FROM)
            recorded = facts if isinstance(facts, dict) else {}
            break
    alike = [each for each in runs if each.recipe.identity() == recorded.get("recipe")]
    places = {str(path.absolute()), str(recorded.get("run"))}
    return next((each for each in alike if str(each.path.absolute()) in places), next(iter(alike), None))


def _training_key(condition: Condition) -> str:
    values = condition.model_dump(mode="json", include={"data", "network", "training"})
    return json.dumps([values, condition.pruning.rewind], sort_keys=True)


def _search_key(condition: Condition) -> str:
    values = condition.model_dump(mode="json", include={"data", "network", "training", "pruning"})
    return json.dumps(values, sort_keys=True)


def _labelled(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with labels of rows and columns that are distinct."""
    searches = [pair.origin.search for pair in pairs if pair.origin.search is not None]
    names = _names_of_data([*(pair.data for pair in pairs), *(search.data for search in searches)])
    columns = {pair.training: (names[_data_key(pair.data)], pair.subject) for pair in reversed(pairs)}
    rows = {}
    for pair in reversed(pairs):
        search = pair.origin.search
        origin = pair.origin.name if search is None else names[_data_key(search.data)]
        rows[pair.masks] = (", ".join([origin, *pair.origin.changes]), pair.origin.name)
    sources, targets = _distinct(rows), _distinct(columns)
    return [replace(pair, source=sources[pair.masks], target=targets[pair.training]) for pair in pairs]


def _distinct(labels: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return each label, with its addition where others have the same, and a number if that is not enough."""
    times = Counter(label for label, _ in labels.values())
    found: dict[str, str] = {}
    for key, (label, addition) in reversed(list(labels.items())):
        named = f"{label} ({addition})" if times[label] > 1 else label
        number = 2
        while named in found.values():
            named, number = f"{label} ({addition} {number})", number + 1
        found[key] = named
    return found


def _names_of_data(settings: Sequence[DataSettings]) -> dict[str, str]:
    """Return names of data: the source, and the settings in which data of one source differ."""
    by_source: dict[str, dict[str, dict[str, object]]] = {}
    for each in settings:
        by_source.setdefault(each.source, {})[_data_key(each)] = each.model_dump(mode="json")
    names = {}
    for source, alike in by_source.items():
        fields = dict.fromkeys(field for values in alike.values() for field in values)
        differing = [
            field
            for field in fields
            if len({json.dumps(values.get(field), sort_keys=True) for values in alike.values()}) > 1
        ]
        for key, values in alike.items():
            parts = [
                f"{field} = {_short(values[field])}"
                for field in differing
                if values.get(field) not in _NOTHING
            ]
            names[key] = ", ".join([source, *parts])
    return names


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _data_key(data: DataSettings) -> str:
    return data.model_dump_json()
