"""Instruments by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation, Observation
from sparsight.instruments._quantity import Quantity
from sparsight.registry import Registry

Instrument = Callable[[Observation], Mapping[str, Quantity]]
NetworkInstrument = Callable[[NetworkObservation], Mapping[str, Quantity]]

INSTRUMENTS: Registry[Instrument] = Registry("instrument")
NETWORK_INSTRUMENTS: Registry[NetworkInstrument] = Registry("instrument of the whole network")

_WITHOUT_TWIN: set[str] = set()
"""Names of the instruments of layers that never look at the Gaussian twin."""


def needs_twin(names: Iterable[str]) -> bool:
    """Return whether any of the named instruments may look at the Gaussian twin of the data."""
    return any(name not in _WITHOUT_TWIN and name not in NETWORK_INSTRUMENTS for name in names)


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
        If another instrument has this name.
    """
    _refuse_name_in(NETWORK_INSTRUMENTS, name)
    # Both ways: a plugin that failed, and was mended, registers the name anew.
    (_WITHOUT_TWIN.discard if uses_twin else _WITHOUT_TWIN.add)(name)
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


def network_instrument(name: str) -> Callable[[NetworkInstrument], NetworkInstrument]:
    """Register a function as an instrument of the whole network, under the name that recipes use.

    The function takes a `NetworkObservation` and returns its quantities by name. It is called once for each
    level. Its quantities are stored as ``<name>.<quantity>`` of the layer ``network``.

    Raises
    ------
    InputError
        If another instrument has this name.
    """
    _refuse_name_in(INSTRUMENTS, name)
    return NETWORK_INSTRUMENTS.register(name)


def registry_of_instrument(name: str) -> Registry[Any]:
    """Return the registry in which an instrument of this name belongs; that of layers if there is none."""
    return NETWORK_INSTRUMENTS if name in NETWORK_INSTRUMENTS else INSTRUMENTS


def all_instruments() -> Registry[Callable[..., Mapping[str, Quantity]]]:
    """Return the instruments of layers and of the whole network together."""
    both: Registry[Callable[..., Mapping[str, Quantity]]] = Registry("instrument")
    both.update(INSTRUMENTS)
    both.update(NETWORK_INSTRUMENTS)
    return both


def _refuse_name_in(other: Registry[Any], name: str) -> None:
    if name in other:
        raise InputError(f"instrument {name!r} is registered already; choose another name")
