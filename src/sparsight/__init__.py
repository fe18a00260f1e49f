"""sparsight: see what pruning does to the representations of a neural network."""
