"""Quantities of the user's own instruments: shown as the catalogue's are, with their definition."""

from collections.abc import Iterator

from sparsight.figures._catalogue import CATALOGUE
from sparsight.figures._words import QUANTITIES, Words, words_of
from sparsight.instruments import may_be_shipped
from sparsight.store import RecordedQuantity, Run

MOST_OWN = 24
"""Quantities of own instruments that are shown; a run from somebody else may hold any number."""


_WITH_WORDS = {name.partition(".")[0] for name in QUANTITIES}
"""Instruments, and families that studies compute, of which a quantity has words."""


def own_quantities(*runs: Run) -> list[Words]:
    """Return words for every number of a layer that an instrument of the user's measured, in their order.

    An instrument is the user's if this sparsight ships none of its name. It need not be registered.
    """
    found: dict[str, Words] = {}
    for run in runs:
        for name, quantity in _numbers(run):
            instrument = name.partition(".")[0]
            if name not in QUANTITIES and not _is_shipped(instrument):
                found.setdefault(name, _words(name, quantity))
    return list(found.values())


def summary_columns(*runs: Run) -> list[Words]:
    """Return the columns of the table by level: the catalogue's, then those of own instruments."""
    return [*map(words_of, CATALOGUE.summary), *own_quantities(*runs)[:MOST_OWN]]


def _is_shipped(instrument: str) -> bool:
    # First: a user's instrument may have the name of a family that only studies compute.
    if not may_be_shipped(instrument):
        return False
    if instrument in _WITH_WORDS:
        return True
    from sparsight.instruments import registry_of_instrument  # here: instruments import torch

    return registry_of_instrument(instrument).is_shipped(instrument)


def _numbers(run: Run) -> Iterator[tuple[str, RecordedQuantity]]:
    for replicate in run.directory.replicates():
        for record in run.directory.records(*replicate):
            for quantities in record.measures.values():
                for name, quantity in quantities.items():
                    if not quantity.dims:
                        yield name, quantity


def _words(name: str, quantity: RecordedQuantity) -> Words:
    unit = "" if quantity.unit == "1" else f" ({quantity.unit})"
    return Words(
        name=name,
        title=name,
        label=f"{name}{unit}".replace("$", r"\$"),  # matplotlib would read a formula between two of them
        short=name.partition(".")[2] or name,
        meaning=quantity.definition.rstrip(". "),
        decimals=3,
    )
