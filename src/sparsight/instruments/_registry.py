"""Instruments by name, and the quantities that they return."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sparsight.registry import Registry

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


Instrument = Callable[[Any], Mapping[str, Quantity]]
"""From an `Observation`, or from a `NetworkObservation` if it measures the whole network."""

INSTRUMENTS: Registry[Instrument] = Registry("instrument")


_WITHOUT_TWIN: set[str] = set()
"""Names of the instruments that never look at the Gaussian twin."""

_OF_NETWORK: set[str] = set()
"""Names of the instruments that measure the whole network, once for each level."""


def needs_twin(names: Iterable[str]) -> bool:
    """Return whether any of the named instruments may look at the Gaussian twin of the data."""
    return any(name not in _WITHOUT_TWIN for name in names)


def measures_network(name: str) -> bool:
    """Return whether the named instrument measures the whole network and not each layer."""
    return name in _OF_NETWORK


def instrument(
    name: str, *, uses_twin: bool = True, of_network: bool = False
) -> Callable[[Instrument], Instrument]:
    """Register a function as an instrument, under the name that recipes use.

    The function takes an `Observation` and returns its quantities by name. They are stored as
    ``<name>.<quantity>``.

    Parameters
    ----------
    name : str
        An entry of ``measure.instruments`` in a recipe.
    uses_twin : bool
        Whether it looks at the twin's inputs. Fitting a twin takes seconds to minutes; where no instrument of
        a recipe uses one, none is made.
    of_network : bool
        Whether it measures the whole network. It then takes a `NetworkObservation`, is called once for each
        level, and its quantities have no layer: in `sparsight.store.Run.frame` their layer is ``network``.

    Raises
    ------
    InputError
        If another function has this name.
    """
    if not uses_twin:
        _WITHOUT_TWIN.add(name)
    if of_network:
        _OF_NETWORK.add(name)
    return INSTRUMENTS.register(name)
