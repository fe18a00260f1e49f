"""The names of the ways to compute products, as recipes use them."""

from typing import Literal

Kernel = Literal["auto", "dense", "csr"]
"""Where products take kept weights only: below the crossover (``auto``), nowhere (``dense``), or in every
pruned layer (``csr``)."""
