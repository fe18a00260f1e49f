"""Compact windows: planted masks that are local by construction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from sparsight.geometry import Geometry
from sparsight.prune._rearrangement import check_first_layer
from sparsight.prune._schedule import Schedule
from sparsight.prune._settings import PruningSettings
from sparsight.streams import generator
from sparsight.train import Masks


@dataclass(frozen=True, eq=False, kw_only=True)
class CompactWindows:
    """Planted masks: every unit of the first layer keeps the inputs nearest to a centre of its own.

    The centre is a random pixel, the same at all levels. Pixels enter in the order of their distance from it
    (on a ring or torus if the geometry wraps; ties at random), each with all its channels, so that a window
    is an interval or a disc, cut off at a border. Every layer keeps as many weights at level ℓ as iterative
    pruning within layers does, and all units of the first layer the same number, up to one. Deeper layers
    keep random weights. Masks are nested.

    Parameters
    ----------
    shapes : mapping of str to (out, in)
        Shapes of the prunable weights by parameter name, that of the first layer first.
    geometry : Geometry
        That of the network's input.
    pruning : PruningSettings
        Its schedule, rate, max_levels and min_density decide how many weights a level keeps.
    seed : int
        Seeds centres, ties and the masks of deeper layers.

    Raises
    ------
    InputError
        If the first layer does not have an input for every value of the geometry, or the schedule does not
        end.
    """

    shapes: Mapping[str, Sequence[int]]
    geometry: Geometry
    pruning: PruningSettings
    seed: int

    def __post_init__(self) -> None:
        shapes = {name: tuple(shape) for name, shape in self.shapes.items()}
        check_first_layer(shapes, self.geometry, "masks_from = 'windows'")
        self._schedule.check_that_it_ends()

    @property
    def num_levels(self) -> int:
        """Levels to train."""
        return len(self._schedule.num_kept())

    def masks(self, level: int) -> Masks:
        """Return the masks of a level."""
        masks: Masks = {}
        for position, ((name,), num_kept) in enumerate(self._schedule.kept_at(level).items()):
            masks[name] = self._first(name, num_kept) if position == 0 else self._deeper(name, num_kept)
        return masks

    @cached_property
    def _schedule(self) -> Schedule:
        layers = self.pruning.model_copy(update={"scope": "layer", "distribution": "uniform"})
        return Schedule.of(self.shapes, layers)

    def _first(self, name: str, num_kept: int) -> Tensor:
        num_units = self.shapes[name][0]
        # The remainder goes to the same units at all levels: no unit's window ever grows.
        favoured = generator(self.seed, "windows", name, "units").permutation(num_units)
        fan_in = num_kept // num_units + (favoured < num_kept % num_units)
        return torch.from_numpy(self._ranks < fan_in[:, None])

    @cached_property
    def _ranks(self) -> np.ndarray:
        """Rank of every input in the order in which a unit's window grows; (units, inputs), from 0."""
        name = next(iter(self.shapes))
        num_units, geometry = self.shapes[name][0], self.geometry
        stream = generator(self.seed, "windows", name, "centres")
        centres = stream.integers(geometry.num_pixels, size=num_units)
        squared = geometry.squared_distances_from(centres)
        ties = stream.random(squared.shape)
        pixels = np.argsort(np.lexsort((ties, squared), axis=1), axis=1)  # the rank of every pixel
        channels = np.arange(geometry.channels)[None, :, None]
        ranks: np.ndarray = (pixels[:, None] * geometry.channels + channels).reshape(num_units, -1)
        return ranks

    def _deeper(self, name: str, num_kept: int) -> Tensor:
        shape = tuple(self.shapes[name])
        ranks = generator(self.seed, "windows", name).permutation(prod(shape))
        return torch.from_numpy(ranks < num_kept).view(shape)
