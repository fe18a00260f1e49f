"""Instruments by name, and the quantities that they return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sparsight.instruments._observation import Observation
from sparsight.registry import Registry


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


Instrument = Callable[[Observation], Mapping[str, Quantity]]

INSTRUMENTS: Registry[Instrument] = Registry("instrument")


def instrument(name: str) -> Callable[[Instrument], Instrument]:
    """Register a function as an instrument, under the name that recipes use.

    The function takes an `Observation` and returns its quantities by name. They are stored as
    ``<name>.<quantity>``.

    Parameters
    ----------
    name : str
        An entry of ``measure.instruments`` in a recipe.

    Raises
    ------
    InputError
        If another function has this name.
    """
    return INSTRUMENTS.register(name)
