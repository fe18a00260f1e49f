"""Settings of pruning: the ``[pruning]`` table of a recipe."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from sparsight.settings import Settings, is_stored

Scope = Literal["global", "layer"]
StartingWeights = Literal["rewound", "fresh", "signs", "constant"]
Rearrangement = Literal["none", "layer", "unit", "rows_columns", "pixels"]

WINDOWS = "windows"
"""Value of ``pruning.masks_from`` that plants compact windows."""

_DEFAULT_CRITERION = "magnitude"
_ABOUT_MASKS = ("masks_from", "masks_replicate_offset", "rearranged", "weights")
_CHOOSE_WEIGHTS = ("criterion", "scope", "min_connected_fraction")
_CHOOSE_COUNTS = ("schedule", "rate", "max_levels", "min_density")


class PruningSettings(Settings):
    """The ``[pruning]`` table of a recipe.

    Attributes
    ----------
    criterion : str
        Name of a registered criterion: ``magnitude``, ``random``, ``movement``, ``snip``, ``grasp``,
        ``synflow``, ``correlation``, ``cavity``, ``cavity-within-class``, ``class-variance``, a control of
        these (``magnitude-reverse``, ``cavity-reverse``, ``cavity-within-class-reverse``; among weights of
        equal size ``random-matched``, ``cavity-matched``, ``cavity-within-class-matched``,
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
    masks_from : str, optional
        Train with masks that were not found here, level by level. The name of another condition of the
        recipe: the masks of its replicate of the same number. ``path/to/run:condition``: those of a finished
        run; a relative path starts at the working directory. ``windows``: planted compact windows, see
        `sparsight.prune.CompactWindows`. The condition ends where its source ends. Fields that choose
        weights (criterion, scope, min_connected_fraction) and, except with ``windows``, numbers of weights
        (schedule, rate, max_levels, min_density) are refused beside it; those of the recipe that a condition
        overrides are ignored.
    masks_replicate_offset : int
        Take the masks of replicate r + offset of the source, modulo its number of replicates: the masks of
        another seed.
    rearranged : {"none", "layer", "unit", "rows_columns", "pixels"}
        How the masks are permuted before they are used, see `sparsight.prune.RearrangedMasks`. Allowed only
        with `masks_from`.
    weights : {"rewound", "fresh", "signs", "constant"}
        Values of the kept weights at the start of levels 1, 2, …, see
        `sparsight.prune.starting_state`. Allowed only with `masks_from`; all but ``rewound`` need
        ``rewind = "init"``.

    Notes
    -----
    Fresh weights under a found mask: Frankle & Carbin, arXiv 1803.03635. Signs and constants: Zhou et al.,
    arXiv 1905.01067. Rearranged masks: Frankle et al., arXiv 2009.08576.
    """

    criterion: str = _DEFAULT_CRITERION
    schedule: Literal["iterative", "one_shot", "one_shot_equal_compute"] = "iterative"
    rate: float = Field(0.3, gt=0, lt=1)
    max_levels: int = Field(20, ge=0)
    min_density: float = Field(0.02, gt=0, le=1)
    min_connected_fraction: float = Field(0.0, ge=0, le=1)
    scope: Scope = "global"
    rewind: str = "init"
    prune_output: bool = False
    prune_biases: bool = False
    masks_from: str | None = Field(None, min_length=1)
    masks_replicate_offset: int = 0
    rearranged: Rearrangement = "none"
    weights: StartingWeights = "rewound"

    @field_validator("criterion")
    @classmethod
    def _is_registered(cls, name: str, info: Any) -> str:
        # The default is shipped, and made when a module is imported.
        if not is_stored(info) and name != _DEFAULT_CRITERION:
            from sparsight.prune.criteria._registry import CRITERIA  # here: criteria import torch

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

    @model_validator(mode="after")
    def _masks_have_one_origin(self) -> "PruningSettings":
        if self.masks_from is None:
            for name in _ABOUT_MASKS[1:]:
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} is for masks of another origin: set masks_from as well")
            return self
        for name in sorted(self.model_fields_set & set(unused_with(self.masks_from))):
            raise ValueError(
                f"{name} has no effect beside masks_from = {self.masks_from!r}, which decides that: leave "
                "one of the two out"
            )
        if self.weights != "rewound" and self.rewind != "init":
            raise ValueError(
                f"weights = {self.weights!r} replaces initial values, but rewind is {self.rewind!r}: set "
                "rewind = 'init' for this condition"
            )
        if self.masks_from == WINDOWS and self.masks_replicate_offset:
            raise ValueError("masks_replicate_offset is for masks of replicates; windows belong to none")
        if self.masks_from == WINDOWS and self.prune_biases:
            raise ValueError("prune_biases is true, but windows are made of weights: set it to false")
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        # What has no effect is not part of a recipe's hash: recipes from before masks_from keep theirs, and a
        # resolved recipe that is read again does not give what it may not.
        unused = _ABOUT_MASKS if self.masks_from is None else unused_with(self.masks_from)
        return {name: value for name, value in dump(self).items() if name not in unused}

    def prunable(self, layers: Sequence[str]) -> list[str]:
        """Return the linear layers to prune among all of a network, which end with the output."""
        return list(layers) if self.prune_output or len(layers) == 1 else list(layers)[:-1]

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


def unused_with(masks_from: str) -> tuple[str, ...]:
    """Return the fields that have no effect where masks come from this source."""
    return _CHOOSE_WEIGHTS if masks_from == WINDOWS else _CHOOSE_WEIGHTS + _CHOOSE_COUNTS


def overridden(pruning: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ``[pruning]`` table without what a ``masks_from`` in its override makes useless."""
    masks_from = override.get("masks_from")
    unused = unused_with(masks_from) if isinstance(masks_from, str) else ()
    return {name: value for name, value in pruning.items() if name not in unused}
