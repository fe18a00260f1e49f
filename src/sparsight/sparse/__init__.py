"""The sparse step: training on kept weights only, where that is faster than masked dense products.

_batch_norm: BatchNorm as the sparse step needs it: its moments apart from its use.
_block: A linear layer on tiles with the ReLU and BatchNorm that stand before it.
_crossover: Which layers of a level take the sparse step: those below the density at which it starts to pay.
_live_part: The part of a layer that sees the sample: without inputs that are the same for all samples, or u
_pattern: Which weights of a layer are kept, in the orders that products want.
_pieces: Kept weights in the order in which the products take them: piece by piece of the columns, row by ro
_sequential: The sparse step's stand-in for a torch.nn.Sequential: the same function, on tiles and kept weig
_threads: Sharing a product out among threads.
_tile_product: The product of a layer's kept weights with tiles, with its gradients; also through BatchNorm
_tiles: The layout of the sparse step: a batch cut into tiles, each with the samples of one feature side by
_torch_products: The product of kept weights with a batch in torch's own sparse matrices (cuSPARSE), for a G
kernels._gather: Blocks of 16 samples by 16 features, read from the rows of a table and turned in registers.
kernels._kept_products: Products with kept weights, compiled: for every tile, piece by piece of the input.
kernels._layer_inputs: What a layer's products read: a piece of its input at a time, made where it is needed
kernels._row_loops: The inner loops of the sparse step, over the kept weights of one unit, with whole vector
"""

from sparsight.sparse._crossover import (
    Crossovers as Crossovers,
    Kernel as Kernel,
    is_worth_measuring as is_worth_measuring,
    measured_crossovers as measured_crossovers,
    shape_key as shape_key,
    sparse_layers as sparse_layers,
)
from sparsight.sparse._sequential import SparseSequential as SparseSequential
from sparsight.sparse._threads import threads_taken_from_torch as threads_taken_from_torch
from sparsight.sparse._tiles import Batch as Batch, Table as Table
