"""Networks: the fully connected one of a recipe, and the layers of any other.

_fully_connected: the network that recipes train and prune, and its initialisation.
_layers: the linear layers of any network, and what is known of a network from its modules.
_folding: a network as arrays, with BatchNorm folded into the weights.
_random_matrices: orthogonal and low-rank weight matrices.
_layer_inputs: what a layer receives while a network evaluates samples.
"""

from sparsight.network._folding import chain_of as chain_of
from sparsight.network._fully_connected import (
    FullyConnected as FullyConnected,
    NetworkSettings as NetworkSettings,
    initialise_ as initialise_,
)
from sparsight.network._layer_inputs import layer_inputs as layer_inputs
from sparsight.network._layers import (
    evaluating as evaluating,
    is_chain as is_chain,
    linear_layers as linear_layers,
    may_draw as may_draw,
)
