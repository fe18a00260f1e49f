"""Instruments by name, with every shipped one registered: what looks up a name is imported from here."""

from sparsight import instruments
from sparsight.instruments._network import measure_level as measure_level, measure_network as measure_network
from sparsight.instruments._registry import (
    INSTRUMENTS as INSTRUMENTS,
    NETWORK_INSTRUMENTS as NETWORK_INSTRUMENTS,
    all_instruments as all_instruments,
    instrument as instrument,
    needs_twin as needs_twin,
    network_instrument as network_instrument,
    registry_of_instrument as registry_of_instrument,
)
from sparsight.instruments._whole_network import measure_whole_network as measure_whole_network
from sparsight.registry import import_modules_of

import_modules_of(instruments.__name__, instruments.__path__)
