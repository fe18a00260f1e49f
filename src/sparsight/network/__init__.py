"""Networks: the fully connected one of a recipe, and the layers of any other.

_settings: the ``[network]`` table of a recipe.
_fully_connected: the network that recipes train and prune, and its initialisation.
_layers: the linear layers of any network, and what is known of a network from its modules.
_linear_maps: linear layers and convolutions, as the linear maps that are pruned and measured.
_folding: a network as arrays, with BatchNorm folded into the weights.
_random_matrices: orthogonal and low-rank weight matrices.
_layer_inputs: what a layer receives while a network evaluates samples.
_epinet: a head beside a frozen network whose outputs vary with an index.
_outputs: what a network says about samples.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
