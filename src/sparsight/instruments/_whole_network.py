"""Instruments of the whole network applied to a level, or to any other network."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import NETWORK_INSTRUMENTS, checked_quantities
from sparsight.prune import copied


def measure_whole_network(observation: NetworkObservation, instruments: Sequence[str]) -> dict[str, Quantity]:
    """Apply those of the instruments that see the whole network: ``<instrument>.<quantity>`` → Quantity."""
    return {
        f"{name}.{quantity}": value
        for name in instruments
        if name in NETWORK_INSTRUMENTS
        for quantity, value in checked_quantities(name, _quantities(name, observation)).items()
    }


def _quantities(name: str, observation: NetworkObservation) -> Mapping[str, Quantity]:
    # As for layers: what a user's own instrument changes is a copy.
    if not NETWORK_INSTRUMENTS.is_shipped(name):
        level = observation.level
        copies = {id(level.network): copied(level.network)}  # deepcopy would raise what no user understands
        observation = replace(observation, level=copy.deepcopy(level, copies))
    return NETWORK_INSTRUMENTS[name](observation)
