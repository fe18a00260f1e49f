from ._compressed_rows import (
    INDICES as INDICES,
    check_csr as check_csr,
    csr_of as csr_of,
    mask_of_csr as mask_of_csr,
)
from ._crossover import (
    Crossovers as Crossovers,
    crossover_measurements as crossover_measurements,
    sparse_layers as sparse_layers,
)
from ._kernel import Kernel as Kernel
from ._sequential import SparseSequential as SparseSequential
from ._sparse_linear import SparseLinear as SparseLinear
from ._sparsified import densify as densify, sparsify as sparsify
from ._threads import threads_taken_from_torch as threads_taken_from_torch
from ._tiles import Batch as Batch, Table as Table
