"""What instruments return: quantities with their meaning."""

from dataclasses import dataclass
from typing import Final

import numpy as np

NETWORK: Final = "network"
"""In the place of a layer's name: quantities of the whole network."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """One measured quantity with its meaning.

    Attributes
    ----------
    value : float or numpy.ndarray
        NaN where undefined.
    dims : tuple of str
        A name for each axis: ``()`` for a summary of the layer, ``("unit",)``, ``("class", "unit")``,
        ``("unit", "input")`` (stored at kept weights only), or other names.
    definition : str
        The formula in words or symbols, with its reference level if it has one.
    unit : str
        Physical unit: ``"pixel"`` for lengths, ``"1"`` for a pure number.
    """

    value: float | np.ndarray
    dims: tuple[str, ...]
    definition: str
    unit: str = "1"
