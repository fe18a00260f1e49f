"""What an instrument is: a function from one layer of one level to named quantities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sparsight.errors import InputError
from sparsight.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Observation:
    """One linear layer of one level, trained, with the data it is looked at with.

    Attributes
    ----------
    layer : str
        Name of the ``torch.nn.Linear`` in the network.
    depth : int
        0 for the layer whose inputs are those that `geometry` places, 1 for the next, …
    level, seed : int
        Level of pruning; seed of the replicate (for controls that draw).
    weight : numpy.ndarray of float32, (out, in)
        After training; exactly 0 where `mask` is False.
    bias : numpy.ndarray of float32, (out,), or None
    mask : numpy.ndarray of bool, (out, in)
        What this level trained with.
    next_mask : numpy.ndarray of bool, (out, in)
        What pruning keeps of it after this level.
    inputs : Tensor of float32, (n, in)
        The layer's inputs h on held-out samples, as the layer sees them (after any BatchNorm).
    labels : Tensor of int64, (n,)
    twin_inputs : Tensor of float32, (m, in), or None
        The same layer's inputs when the same network sees the Gaussian twin of the data.
    geometry : Geometry or None
        Of the network's input, or of the layer's own inputs. None in networks that are no chain of linear
        layers, where nobody has said where the layer's inputs are: what rests on places is not defined then.
    paths : numpy.ndarray of float64, (out, geometry.num_inputs), or None
        Number of kept paths from each of those inputs to each unit: the mask itself at depth 0, the
        product of masks below. None without `geometry`.
    num_classes : int
    """

    layer: str
    depth: int
    level: int
    seed: int
    weight: np.ndarray
    bias: np.ndarray | None
    mask: np.ndarray
    next_mask: np.ndarray
    inputs: Tensor
    labels: Tensor
    twin_inputs: Tensor | None
    geometry: Geometry | None
    paths: np.ndarray | None
    num_classes: int


@dataclass(frozen=True, eq=False)
class Quantity:
    """One measured quantity with its meaning.

    Attributes
    ----------
    value : float or numpy.ndarray
    dims : tuple of str
        One name an axis: ``()`` for a summary of the layer, ``("unit",)``, ``("class", "unit")``,
        ``("unit", "input")`` (stored at kept weights only), or names of your own.
    definition : str
        The formula in words or symbols, with its reference level if it has one.
    unit : str
        ``"1"`` if it has none, ``"pixel"`` for lengths.
    """

    value: float | np.ndarray
    dims: tuple[str, ...]
    definition: str
    unit: str = "1"


Instrument = Callable[[Observation], Mapping[str, Quantity]]

INSTRUMENTS: dict[str, Instrument] = {}


def instrument(name: str) -> Callable[[Instrument], Instrument]:
    """Register a function as an instrument, under the name that recipes use.

    The quantities it returns are stored as ``<name>.<quantity>``.

    Parameters
    ----------
    name : str
        An entry of ``measure.instruments`` in a recipe.

    Raises
    ------
    InputError
        If the name is taken by another function.
    """

    def register(function: Instrument) -> Instrument:
        if INSTRUMENTS.get(name, function) is not function:
            raise InputError(f"instrument {name!r} is registered already; choose another name")
        INSTRUMENTS[name] = function
        return function

    return register
