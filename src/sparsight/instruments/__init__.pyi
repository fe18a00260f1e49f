from ._module_names import may_be_shipped as may_be_shipped
from ._observation import (
    NetworkObservation as NetworkObservation,
    Observation as Observation,
    observe as observe,
)
from ._quantity import NETWORK as NETWORK, Quantity as Quantity
from ._sharpness import Sharpness as Sharpness, sharpness as sharpness
from ._shipped_instruments import (
    INSTRUMENTS as INSTRUMENTS,
    NETWORK_INSTRUMENTS as NETWORK_INSTRUMENTS,
    all_instruments as all_instruments,
    at_steps as at_steps,
    instrument as instrument,
    measure_level as measure_level,
    measure_network as measure_network,
    measure_whole_network as measure_whole_network,
    needs_twin as needs_twin,
    network_instrument as network_instrument,
    registry_of_instrument as registry_of_instrument,
)
