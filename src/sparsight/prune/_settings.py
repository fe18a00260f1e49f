"""Settings of pruning: the ``[pruning]`` table of a recipe."""

import re
from typing import Literal

from pydantic import Field, field_validator

from sparsight.prune.criteria._registry import CRITERIA
from sparsight.settings import Settings

Scope = Literal["global", "layer"]


class PruningSettings(Settings):
    """The ``[pruning]`` table of a recipe.

    Attributes
    ----------
    criterion : str
        Name of a registered criterion: ``magnitude``, ``random``, ``movement``, ``snip``, ``grasp``,
        ``synflow``, ``cavity``, ``cavity-within-class``, ``class-variance``, a control of these
        (``magnitude-reverse``, ``cavity-reverse``, ``cavity-within-class-reverse``; among weights of equal
        size ``random-matched``, ``cavity-matched``, ``cavity-within-class-matched``,
        ``class-variance-matched``, and the first two cavity scores reversed, ``cavity-matched-reverse``,
        ``cavity-within-class-matched-reverse``), or one that a plugin registers.
    schedule : {"iterative", "one_shot", "one_shot_equal_compute"}
        ``iterative`` prunes after every level. ``one_shot`` prunes once, after the dense level, to the
        density at which ``iterative`` would end. ``one_shot_equal_compute`` then trains for as many steps as
        all the levels of ``iterative`` after the dense one: with n of them, each of the level's learning
        rates is held for n steps, and batches go on with the step. (Where ``min_connected_fraction`` would
        end ``iterative`` earlier, it has fewer steps than these.)
    rate : float
        Share of the kept weights that each round removes, rounded down to a whole number of weights.
    max_levels : int
        Largest number of pruning rounds: levels are 0 … max_levels.
    min_density : float
        The first level with at most this density is the last.
    min_connected_fraction : float
        The first level with a smaller share of connected hidden units than this is the last.
    scope : {"global", "layer"}
        Weights that are ranked together: those of all prunable layers, or those of each layer separately.
    rewind : str
        State of the surviving weights at the start of the next level. ``init``: their initial values.
        ``step:K``: their values after step K of level 0, and training resumes at step K. ``lr``: their
        trained values, and the learning-rate schedule starts again. ``none``: their trained values, at the
        last learning rate. See Renda, Frankle & Carbin, arXiv 2003.02389.
    prune_output : bool
        Whether to prune the last linear layer as well.
    prune_biases : bool
        Whether to rank and count biases with the weights, as the ancestor code does.
    """

    criterion: str = "magnitude"
    schedule: Literal["iterative", "one_shot", "one_shot_equal_compute"] = "iterative"
    rate: float = Field(0.3, gt=0, lt=1)
    max_levels: int = Field(20, ge=0)
    min_density: float = Field(0.02, gt=0, le=1)
    min_connected_fraction: float = Field(0.0, ge=0, le=1)
    scope: Scope = "global"
    rewind: str = "init"
    prune_output: bool = False
    prune_biases: bool = False

    @field_validator("criterion")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        CRITERIA.look_up(name)
        return name

    @field_validator("rewind")
    @classmethod
    def _is_known(cls, rewind: str) -> str:
        if rewind not in ("init", "lr", "none") and not re.fullmatch(r"step:[1-9][0-9]*", rewind):
            raise ValueError(
                f"{rewind!r} is not one of 'init', 'lr', 'none' and 'step:K' with a whole number K above 0"
            )
        return rewind

    @property
    def prunes_once(self) -> bool:
        """Whether there is a single round of pruning, after the dense level."""
        return self.schedule != "iterative"

    @property
    def rewind_step(self) -> int | None:
        """K of ``step:K``, 0 for ``init``, None where weights keep their trained values."""
        if self.rewind == "init":
            return 0
        return int(self.rewind.removeprefix("step:")) if self.rewind.startswith("step:") else None
