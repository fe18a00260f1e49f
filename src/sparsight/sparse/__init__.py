"""The sparse step: training with kept weights only, where that is faster than masked dense products.

docs/kernels.md explains the method with a drawing. Start at `_sequential`.

_sequential    SparseSequential: the same function as a torch.nn.Sequential, cut into stages.
_kernel        The names of the ways to compute products.
_crossover     Which layers take the sparse step: those below a density measured once a run.

_block         A stage: a linear layer on tiles with the BatchNorm and ReLU before it.
_tile_product  Its product and gradients, as one function for autograd; shares the work out among threads.
_batch_norm    The moments of a BatchNorm, from a batch, from tiles, or running.
_live_part     Leaving out units and inputs that are the same for all samples.

_tiles         The memory layout: tables, batches, tiles.
_pattern       The kept weights of a layer, in the orders that products need.
_mask_change   Kept weights and an optimizer's state when a mask changes.
_threads       The threads of the products, and torch's.
_on_gpu        The same step on a GPU, with torch's sparse matrices.

_sparse_linear    SparseLinear: a layer with kept weights only, for any network (_compressed_rows).
_sparsified       Networks with such layers in place of masked ones, and back.

kernels        The compiled loops.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
