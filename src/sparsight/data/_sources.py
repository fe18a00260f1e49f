"""Data sources by name, so that a recipe can name one and a user can add one."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import Field

from sparsight.data._task import Task
from sparsight.registry import Registry

_SourceT = TypeVar("_SourceT", bound=Callable[..., Task])

SOURCES: Registry[Callable[..., Task]] = Registry("data source")

PACKAGES: dict[str, str] = {}
"""Source → the package that it needs beyond those of sparsight; it is also the name of the extra."""

Count = Annotated[int, Field(ge=2)]
"""The number of samples in a split, as recipes accept it."""


def data_source(name: str, *, package: str | None = None) -> Callable[[_SourceT], _SourceT]:
    """Register a function that makes a `Task`, under the name that recipes use.

    The function takes keyword arguments only, one of them ``seed: int``. The others become the fields
    of the recipe's ``[data]`` table: the recipe is checked against their annotations (plain types,
    ``Literal``, or ``Annotated[..., pydantic.Field(gt=0)]``), and completed with their defaults.

    Parameters
    ----------
    name : str
        The value of ``data.source`` in a recipe.
    package : str, optional
        A package that the source imports and that may not be installed; `sparsight data` says so.

    Raises
    ------
    InputError
        If the name is taken.
    """
    if package is not None:
        PACKAGES[name] = package
    return SOURCES.register(name)
