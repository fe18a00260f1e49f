"""Instruments of the whole network: they see a level with its task and settings, and may train."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.instruments._registry import (
    INSTRUMENTS,
    OF_WHOLE_NETWORK,
    Quantity,
    checked_quantities,
    note_without_twin,
)
from sparsight.prune import Level, PruningSettings
from sparsight.registry import Registry
from sparsight.train import TrainingSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedLevel:
    """A level of a condition, with everything that its training depends on."""

    level: Level
    task: Task
    training: TrainingSettings
    pruning: PruningSettings


NetworkInstrument = Callable[[TrainedLevel], Mapping[str, Quantity]]

NETWORK_INSTRUMENTS: Registry[NetworkInstrument] = Registry("instrument of the whole network")


def network_instrument(name: str) -> Callable[[NetworkInstrument], NetworkInstrument]:
    """Register a function as an instrument of the whole network, under the name that recipes use.

    The function takes a `TrainedLevel` and returns its quantities by name. They are stored as
    ``<name>.<quantity>`` of the layer ``network``.

    Raises
    ------
    InputError
        If another instrument has this name.
    """
    if name in INSTRUMENTS:
        raise InputError(f"instrument {name!r} is registered already; choose another name")
    note_without_twin(name)
    OF_WHOLE_NETWORK.add(name)
    return NETWORK_INSTRUMENTS.register(name)


def registry_of_instrument(name: str) -> Registry[Any]:
    """Return the registry in which an instrument of this name belongs; that of layers if there is none."""
    return NETWORK_INSTRUMENTS if name in NETWORK_INSTRUMENTS else INSTRUMENTS


def check_instrument(name: str) -> None:
    """Raise an `InputError` unless an instrument, of layers or of the whole network, has this name."""
    both: Registry[Callable[..., Mapping[str, Quantity]]] = Registry("instrument")
    both.update(INSTRUMENTS)
    both.update(NETWORK_INSTRUMENTS)
    both.look_up(name)


def measure_whole_network(subject: TrainedLevel, instruments: Sequence[str]) -> dict[str, Quantity]:
    """Apply those of the instruments that see the whole network: ``<instrument>.<quantity>`` → Quantity."""
    return {
        f"{name}.{quantity}": value
        for name in instruments
        if name in NETWORK_INSTRUMENTS
        for quantity, value in checked_quantities(name, _quantities(name, subject)).items()
    }


def _quantities(name: str, subject: TrainedLevel) -> Mapping[str, Quantity]:
    # As for layers: what a user's own instrument changes is a copy.
    if not NETWORK_INSTRUMENTS.is_shipped(name):
        subject = replace(subject, level=copy.deepcopy(subject.level))
    return NETWORK_INSTRUMENTS[name](subject)
