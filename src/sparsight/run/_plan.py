"""The plan of a run: every condition resolved, replicates grouped, the machine shared out.

A plan is made, and whatever cannot work is refused, before anything is written.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sparsight.errors import InputError
from sparsight.prune import check_together
from sparsight.recipe import Condition, Recipe
from sparsight.run._preflight import check_conditions, check_mask_sources
from sparsight.run._resources import Placement, Size, physical_memory, place
from sparsight.store import default_path
from sparsight.train import check_device


@dataclass(frozen=True)
class Group:
    """Replicates of one condition that one process trains, as one program if there are several."""

    name: str
    condition: Condition
    replicates: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """A run that was checked and can be carried out; its directory need not exist yet.

    `groups` holds all replicates of all conditions, in the order in which they are begun.
    """

    recipe: Recipe
    path: Path
    groups: tuple[Group, ...]
    placement: Placement

    def waves(self) -> list[list[Group]]:
        """Return the groups in waves: those of a wave need masks of earlier waves only.

        A condition that takes masks of another one of the recipe begins when all of that one's replicates
        have ended, because a replicate can take the masks of any of them.
        """
        waves: dict[int, list[Group]] = {}
        for group in self.groups:
            waves.setdefault(len(self.recipe.chain_of_sources(group.name)), []).append(group)
        return [waves[number] for number in sorted(waves)]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a process runs its replicates. Nothing here is part of the recipe.

    Attributes
    ----------
    plugins : tuple of Path
        Python files that register criteria, instruments or data sources.
    checkpoint_seconds : float
        Longest time between two checkpoints within a level.
    stop_request : Path
        Where a request to stop appears.
    owner_pid : int
        Process that holds the right to write. When it is gone, its workers end. Default: the process that
        makes this object.
    cuda_graph : bool
        Whether forward and backward pass are recorded once on a GPU, and replayed.
    accept_changes : bool
        Whether replicates go on with other data, or other source of own functions, than they began with.
    """

    threads: int
    plugins: tuple[Path, ...] = ()
    checkpoint_seconds: float = 60.0
    stop_request: Path
    owner_pid: int = field(default_factory=os.getpid)
    cuda_graph: bool = False
    accept_changes: bool = False


def plan_run(
    recipe: Recipe,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    together: int | None = None,
    cuda_graph: bool = False,
) -> RunPlan:
    """Resolve every condition of a recipe, and decide what runs where; arguments as for `run_recipe`.

    Raises `InputError` if the recipe cannot be run on this machine, or these options do not go with it.
    """
    conditions = {name: recipe.condition(name) for name in recipe.condition_names()}
    _check_options(conditions, together, cuda_graph)
    seed = recipe.replicate_seed(0)
    size = check_conditions((condition, seed) for condition in conditions.values())
    check_mask_sources(recipe)
    numbers = {
        name: min(together or num_together(condition, size), recipe.replicates)
        for name, condition in conditions.items()
    }
    groups = grouped(conditions, numbers, recipe.replicates)
    devices = [condition.device for condition in conditions.values()]
    # A process holds one group at a time: the largest decides how many processes fit into memory.
    placement = place(size.times(max(numbers.values())), len(groups), devices, jobs)
    return RunPlan(
        recipe=recipe,
        path=Path(out or default_path(recipe)),
        groups=groups,
        placement=dataclasses.replace(placement, together=numbers, cuda_graph=cuda_graph),
    )


def num_together(
    condition: Condition, size: Size, *, memory: int | None = None, device_memory: int | None = None
) -> int:
    """Return how many replicates of a condition to train as one program if the user does not say.

    On a GPU: as many as fit into half of its memory, and with their data into half of the machine's. On a CPU
    one, and one where the recipe asks for the sparse step or for regrowth: replicates differ in their masks,
    so stacked weights are dense, and masks stay. See docs/decisions.md, "Replicates of one condition are
    trained as one program on stacked weights". `size` is that of the largest replicate; memory is in bytes,
    by default what is there.
    """
    keeps_masks = condition.pruning.regrowth == "none"
    if condition.device == "cpu" or condition.training.effective_kernel == "csr" or not keeps_masks:
        return 1
    on_device = device_memory or torch.cuda.get_device_properties(condition.device).total_memory
    return size.num_fitting(memory or physical_memory(), on_device)


def grouped(
    conditions: Mapping[str, Condition], numbers: Mapping[str, int], num_replicates: int
) -> tuple[Group, ...]:
    """Return the groups of all replicates in the order in which they are begun: the first replicates first.

    So that the conditions of a run that is looked at early can be compared, pair by pair. `numbers` gives the
    replicates in one group, by condition: with 5 replicates and ``{"imp": 2}`` the groups are (0, 1), (2, 3)
    and (4,).
    """
    groups = [
        Group(name, condition, tuple(range(first, min(first + numbers[name], num_replicates))))
        for name, condition in conditions.items()
        for first in range(0, num_replicates, numbers[name])
    ]
    return tuple(sorted(groups, key=lambda group: group.replicates[0]))


def _check_options(conditions: Mapping[str, Condition], together: int | None, cuda_graph: bool) -> None:
    if together is not None and together < 1:
        raise InputError(f"together is {together}; 1 (each replicate alone) or more are allowed")
    for condition in conditions.values():
        if together is not None and together > 1:
            check_together(condition.training, condition.pruning)
        if cuda_graph:
            check_device(torch.device(condition.device))
