"""Which replicates of a condition are trained as one program, and how many fit into memory."""

from collections.abc import Mapping

import torch

from sparsight.errors import InputError
from sparsight.prune import check_kernel
from sparsight.recipe import Recipe
from sparsight.run._resources import Size, physical_memory
from sparsight.train import check_device

Group = tuple[str, tuple[int, ...]]
"""A condition, and those of its replicates that are trained together."""


def check_execution(recipe: Recipe, together: int | None, cuda_graph: bool) -> None:
    """Refuse options that do not go with a recipe, before anything is written.

    Parameters
    ----------
    recipe : Recipe
    together : int or None
        Replicates of a condition that are to be trained as one program.
    cuda_graph : bool

    Raises
    ------
    InputError
        If `together` is below 1, or above 1 where ``training.kernel`` is ``csr``; or `cuda_graph` is asked
        for on a CPU.
    """
    if together is not None and together < 1:
        raise InputError(f"together is {together}; 1 (each replicate by itself) or more are allowed")
    for name in recipe.condition_names():
        condition = recipe.condition(name)
        if together is not None and together > 1:
            check_kernel(condition.training)
        if cuda_graph:
            check_device(torch.device(condition.device))


def num_together(
    recipe: Recipe,
    size: Size,
    together: int | None = None,
    *,
    memory: int | None = None,
    device_memory: int | None = None,
) -> dict[str, int]:
    """Return how many replicates of each condition are trained as one program.

    On a GPU as many as fit into half of its memory, and with their data into half of the machine's; one where
    the recipe asks for the sparse step. On a CPU one.

    Parameters
    ----------
    recipe : Recipe
    size : Size
        Of the largest replicate.
    together : int, optional
        Asked for: taken as it is, on any device.
    memory, device_memory : int, optional
        Bytes of the machine and of its GPU. Default: as they are.
    """
    numbers = {}
    for name in recipe.condition_names():
        condition = recipe.condition(name)
        if together is not None:
            number = together
        elif condition.device == "cpu" or condition.training.effective_kernel == "csr":
            number = 1
        else:
            on_device = device_memory or torch.cuda.get_device_properties(condition.device).total_memory
            number = size.num_fitting(memory or physical_memory(), on_device)
        numbers[name] = min(number, recipe.replicates)
    return numbers


def grouped(recipe: Recipe, numbers: Mapping[str, int]) -> list[Group]:
    """Return the groups of a recipe's replicates in the order in which they are begun, replicates first.

    Examples
    --------
    With 5 replicates and ``{"imp": 2}`` they are (0, 1), (2, 3) and (4,).
    """
    groups = [
        (condition, tuple(range(first, min(first + number, recipe.replicates))))
        for condition, number in numbers.items()
        for first in range(0, recipe.replicates, number)
    ]
    return sorted(groups, key=lambda group: group[1][0])
