"""Instruments: what pruning does to receptive fields and pre-activations, as functions of arrays."""
