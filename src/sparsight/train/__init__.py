"""The training of one masked network, or of several in lockstep.

Start at `_trainer`: a `Trainer` takes the steps of one level of pruning.

_trainer          Trainer: learning rate, step, masked gradients, evaluations, state to save and restore.
_steps            Three ways to the outputs of a batch: dense, recorded as a CUDA graph, on kept weights only.
_together         Several trainers in lockstep, as one program on stacked weights.
_dense_gradients  Gradients by whole weights, pruned ones included.
_device_batches   Batches made on a GPU, or made ahead by threads.
_evaluation       Loss of a batch, loss and accuracy on the test split, and their curve along a training.
_linear_path      Loss and accuracy on the straight line between two trained networks.
_epinet           Training of an epinet on the features of a frozen network.
_optimizer        The optimizer that the settings name.
_settings         The ``[training]`` table of a recipe, and the learning rate of every step.
_precision        The precision of matrix products.
_cuda_graph       Recording and replaying the pass of a small network on a GPU.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
