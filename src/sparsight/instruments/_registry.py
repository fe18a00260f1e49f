"""Instruments by name, and the quantities that they return."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sparsight.arguments import described
from sparsight.errors import InputError
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


OF_WHOLE_NETWORK: set[str] = set()
"""Names of instruments that see the whole network: see `sparsight.instruments._whole_network`."""

_WITHOUT_TWIN: set[str] = set()
"""Names of the instruments that never look at the Gaussian twin."""


def needs_twin(names: Iterable[str]) -> bool:
    """Return whether any of the named instruments may look at the Gaussian twin of the data."""
    return any(name not in _WITHOUT_TWIN for name in names)


def note_without_twin(name: str) -> None:
    """Take note that the instrument of this name never looks at the twin."""
    _WITHOUT_TWIN.add(name)


def instrument(name: str, *, uses_twin: bool = True) -> Callable[[Instrument], Instrument]:
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

    Raises
    ------
    InputError
        If another function has this name.
    """
    if name in OF_WHOLE_NETWORK:
        raise InputError(f"instrument {name!r} is registered already; choose another name")
    if not uses_twin:
        note_without_twin(name)
    return INSTRUMENTS.register(name)


def checked_quantities(name: str, found: object) -> Mapping[str, Quantity]:
    """Refuse what an instrument may return instead of quantities by name."""
    if not isinstance(found, Mapping):
        raise InputError(
            f"instrument {name!r} returned {described(found)}; a dict of quantities by name is needed"
        )
    for key, quantity in found.items():
        if not isinstance(key, str) or not isinstance(quantity, Quantity):
            raise InputError(
                f"instrument {name!r} returned {described(quantity)} as {key!r}; a "
                "sparsight.instruments.Quantity is needed, under a name"
            )
        if np.ndim(quantity.value) != len(quantity.dims):
            raise InputError(
                f"instrument {name!r}: {key} has {np.ndim(quantity.value)} axes, and dims name "
                f"{len(quantity.dims)}; name every axis"
            )
    return found
