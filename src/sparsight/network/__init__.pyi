from ._epinet import Epinet as Epinet
from ._folding import chain_of as chain_of
from ._fully_connected import (
    FullyConnected as FullyConnected,
    initialise_ as initialise_,
)
from ._layer_inputs import layer_inputs as layer_inputs
from ._layers import (
    evaluating as evaluating,
    is_chain as is_chain,
    linear_layers as linear_layers,
    may_draw as may_draw,
)
from ._linear_maps import LinearMap as LinearMap, as_matrix as as_matrix, linear_maps as linear_maps
from ._outputs import outputs_of as outputs_of
from ._settings import NetworkSettings as NetworkSettings, linear_shapes as linear_shapes
