"""Compiled loops over kept weights. docs/kernels.md explains them with a drawing.

_kept_products  The three products of a layer: forward, by the weights, by the inputs.
_layer_inputs   Reading the input of a layer piece by piece, through BatchNorm and ReLU, and the way back.
_totals         What tiles and groups of tiles have found, put together in a fixed order.
_row_loops      The innermost loops over the kept weights of one unit, in LLVM's language.
_feature_rows   Loops over the samples of one feature: BatchNorm, ReLU, moments, in LLVM's language.
_gather         Transposing blocks of a table in registers, in LLVM's language.
_vectors        Vectors of 16 samples in LLVM's language, which `_row_loops` and `_feature_rows` use.
"""
