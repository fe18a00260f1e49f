from ._crossover import (
    Crossovers as Crossovers,
    crossover_measurements as crossover_measurements,
    sparse_layers as sparse_layers,
)
from ._kernel import Kernel as Kernel
from ._sequential import SparseSequential as SparseSequential
from ._threads import threads_taken_from_torch as threads_taken_from_torch
from ._tiles import Batch as Batch, Table as Table
