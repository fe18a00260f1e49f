"""The sparse step: training with kept weights only, where that is faster than masked dense products.

docs/kernels.md explains the method with a drawing. Start at `_sequential`.

_sequential    SparseSequential: the same function as a torch.nn.Sequential, cut into stages.
_crossover     Which layers take the sparse step: those below a density measured once a run.

_block         A stage: a linear layer on tiles with the BatchNorm and ReLU before it.
_tile_product  Its product and gradients, as one function for autograd; shares the work out among threads.
_batch_norm    The moments of a BatchNorm, from a batch, from tiles, or running.
_live_part     Leaving out units and inputs that are the same for all samples.

_tiles         The memory layout: tables, batches, tiles.
_pattern       The kept weights of a layer, in the orders that products need.
_threads       The threads of the products, and torch's.
_on_gpu        The same step on a GPU, with torch's sparse matrices.

_sparse_linear    SparseLinear: a layer with kept weights only, for any network (_compressed_rows).
_sparsified       Networks with such layers in place of masked ones, and back.

kernels        The compiled loops.
"""

from sparsight.sparse._compressed_rows import (
    INDICES as INDICES,
    check_csr as check_csr,
    csr_of as csr_of,
    mask_of_csr as mask_of_csr,
)
from sparsight.sparse._crossover import (
    Crossovers as Crossovers,
    Kernel as Kernel,
    crossover_measurements as crossover_measurements,
    sparse_layers as sparse_layers,
)
from sparsight.sparse._sequential import SparseSequential as SparseSequential
from sparsight.sparse._sparse_linear import SparseLinear as SparseLinear
from sparsight.sparse._sparsified import densify as densify, sparsify as sparsify
from sparsight.sparse._threads import threads_taken_from_torch as threads_taken_from_torch
from sparsight.sparse._tiles import Batch as Batch, Table as Table
