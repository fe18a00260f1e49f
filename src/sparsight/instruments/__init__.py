"""What recipes can measure.

_cavity: The cavity effect of one layer's weights, kept against pruned, for recipes.
_cavity_within_class: The cavity effect within classes, kept against pruned, overall, at equal size and unit
_field_quantities: Where the receptive fields of a layer lie, how their fan-in spreads, and S(d) by fan-in,
_gaussianity: Gaussianity of one layer of one level, beside its controls, for recipes.
_locality: Locality and shape of the receptive fields of one layer, for recipes.
_network: Instruments applied to anybody's network.
_observation: From a trained level to what the instruments see, and what they find.
_registry: What an instrument is: a function from one layer of one level to named quantities.
"""

from sparsight.instruments._network import measure_network as measure_network
from sparsight.instruments._observation import measure_level as measure_level
from sparsight.instruments._registry import (
    INSTRUMENTS as INSTRUMENTS,
    Observation as Observation,
    Quantity as Quantity,
    instrument as instrument,
)
from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
