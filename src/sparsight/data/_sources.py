"""Data sources by name, so that a recipe can name one and a user can add one."""

from collections.abc import Callable
from typing import TypeVar

from sparsight.data._task import Task
from sparsight.registry import Registry

Source = Callable[..., Task]
_SourceT = TypeVar("_SourceT", bound=Source)

SOURCES: Registry[Source] = Registry("data source")


def data_source(name: str) -> Callable[[_SourceT], _SourceT]:
    """Register a function that makes a `Task`, under the name that recipes use.

    The function takes keyword arguments only, one of them ``seed: int``. The others become the fields
    of the recipe's ``[data]`` table: their annotations (plain types, ``Literal``, or
    ``Annotated[..., pydantic.Field(gt=0)]``) are what the recipe is checked against, and their defaults
    are what it is completed with.

    Parameters
    ----------
    name : str
        The value of ``data.source`` in a recipe.

    Raises
    ------
    InputError
        If the name is taken.
    """
    return SOURCES.register(name)
