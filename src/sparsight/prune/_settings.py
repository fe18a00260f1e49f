"""Settings of pruning: the ``[pruning]`` table of a recipe."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_serializer, model_validator

from sparsight.settings import Settings, is_stored

Scope = Literal["global", "layer"]
Density = Annotated[float, Field(gt=0, le=1)]
Granularity = Literal["weight", "unit"]
Distribution = Literal["global", "uniform", "erk"] | dict[str, Density]
StartingWeights = Literal["rewound", "fresh", "signs", "constant"]
Growth = Literal["none", "random", "gradient"]
Rearrangement = Literal["none", "layer", "unit", "rows_columns", "pixels"]

WINDOWS = "windows"
"""Value of ``pruning.masks_from`` that plants compact windows."""

_DEFAULT_CRITERION = "magnitude"
_ABOUT_MASKS = ("masks_from", "masks_replicate_offset", "rearranged", "weights")
# Written only where they say something: they are younger than many recipes, whose hashes must stay.
_ABSENT_BY_DEFAULT = ("granularity", "min_inputs_per_unit", "regrowth")
_ABOUT_REGROWTH = ("update_every", "update_fraction", "update_until")
_SCOPES: dict[str, Scope] = {"global": "global", "uniform": "layer", "erk": "layer"}
_CHOOSE_WEIGHTS = (
    "criterion",
    "scope",
    "distribution",
    "granularity",
    "min_inputs_per_unit",
    "min_connected_fraction",
    "regrowth",
    *_ABOUT_REGROWTH,
)
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
    schedule : {"iterative", "one_shot", "one_shot_equal_compute", "cubic"}
        ``iterative`` prunes after every level. ``one_shot`` prunes once, after the dense level, to the
        density at which ``iterative`` would end. ``one_shot_equal_compute`` then trains for as many steps as
        all the levels of ``iterative`` after the dense one: with n of them, each of the level's learning
        rates is held for n steps, and batches go on with the step. (Where ``min_connected_fraction`` would
        end ``iterative`` earlier, it has fewer steps than these.) ``cubic`` prunes after every level, by much
        at first and by little in the end: level ℓ keeps the density
        d + (1 − d) (1 − ℓ / `max_levels`)³ with d = `min_density`, in place of `rate`. With ``rewind =
        "none"`` this is gradual pruning.
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
        Default: ``global``, or what `distribution` needs.
    distribution : {"global", "uniform", "erk"} or dict of str to float, optional
        How many of a level's weights each layer keeps. ``global``: as many as have the highest scores, with
        ``scope = "global"``. The others rank within layers. ``uniform``: every layer loses the share `rate`
        in a round. ``erk``: Erdős–Rényi–Kernel; the density of a layer is in proportion to the sum of the
        sides of its weight over their product, and at most 1. A table ``{layer = density}``: densities at the
        last level, in place of `min_density`; at each level, every layer has lost the same share of the
        weights that it is to lose. Default: ``global`` or ``uniform``, as `scope` says.
    granularity : {"weight", "unit"}
        What is kept or removed as one: single weights, or all incoming weights of a unit together (with
        ``prune_biases`` its bias as well). The score of a unit is the mean of those of its weights, the
        number of units kept in a layer the smallest that holds the weights that the layer would keep
        otherwise, and at least one. Units are ranked within layers.
    min_inputs_per_unit : int
        Every unit keeps at least so many of its inputs, those of highest score, or all that it has. A layer
        that would keep fewer weights keeps these.
    regrowth : {"none", "random", "gradient"}
        Whether a level that has pruned weights drops connections and grows as many others while it trains,
        layer by layer, those of smallest |w| being dropped. ``gradient`` grows where the loss has the largest
        gradient by an absent weight (RigL), ``random`` anywhere (SET). New connections begin with 0. The mask
        at the end of the level is the one that is measured and pruned. See `sparsight.prune.Regrowth`.
    update_every : int
        Number of steps between two such changes, counted from the start of the level.
    update_fraction : float
        Share of the connections of a layer that the first change would replace at step 0; it falls to 0 along
        half a cosine.
    update_until : float
        Share of a level's steps after which masks stay.
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
    arXiv 1905.01067. Rearranged masks: Frankle et al., arXiv 2009.08576. Erdős–Rényi–Kernel: Mocanu et al.,
    Nature Communications 9, 2383 (2018), and Evci et al., arXiv 1911.11134; these are also the sources of
    regrowth, SET and RigL. Cubic schedule: Zhu & Gupta, arXiv 1710.01878, eq. 1, with levels as their
    pruning steps.
    """

    criterion: str = _DEFAULT_CRITERION
    schedule: Literal["iterative", "one_shot", "one_shot_equal_compute", "cubic"] = "iterative"
    rate: float = Field(0.3, gt=0, lt=1)
    max_levels: int = Field(20, ge=0)
    min_density: float = Field(0.02, gt=0, le=1)
    min_connected_fraction: float = Field(0.0, ge=0, le=1)
    scope: Scope = "global"
    distribution: Distribution | None = None
    granularity: Granularity = "weight"
    min_inputs_per_unit: int = Field(0, ge=0)
    regrowth: Growth = "none"
    update_every: int = Field(100, gt=0)
    update_fraction: float = Field(0.3, ge=0, le=1)
    update_until: float = Field(0.75, gt=0, le=1)
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

    @field_validator("distribution", mode="before")
    @classmethod
    def _shares_out(cls, given: Any) -> Any:
        names = get_args(get_args(Distribution)[0])
        if given is None or (isinstance(given, str) and given in names):
            return given
        if not isinstance(given, Mapping):
            raise ValueError(f"choose one of {', '.join(names)}, or give a table of densities by layer")
        if not given:
            raise ValueError("give a density to every layer that is pruned")
        for layer, density in given.items():
            is_number = isinstance(density, int | float) and not isinstance(density, bool)
            if not is_number or not 0 < density <= 1:
                raise ValueError(
                    f"the density of {layer!r} is {density!r}; a number above 0, at most 1, is needed"
                )
        return dict(given)

    @model_validator(mode="before")
    @classmethod
    def _scope_follows(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or "scope" in given or given.get("masks_from") is not None:
            return given
        distribution = given.get("distribution")
        if isinstance(distribution, Mapping):
            return {**given, "scope": "layer"}
        if isinstance(distribution, str) and distribution in _SCOPES:
            return {**given, "scope": _SCOPES[distribution]}
        return given

    @model_validator(mode="after")
    def _counts_have_one_rule(self) -> "PruningSettings":
        if self.masks_from is not None:
            return self
        if self.distribution is None:
            # Not by assignment: what follows from scope was not given.
            self.__dict__["distribution"] = "global" if self.scope == "global" else "uniform"
            return self
        is_table = isinstance(self.distribution, dict)
        needed = "layer" if isinstance(self.distribution, dict) else _SCOPES[self.distribution]
        if self.scope != needed:
            raise ValueError(
                f"distribution is {self.distribution!r}, which ranks weights with scope = {needed!r}, but "
                f"scope is {self.scope!r}: leave one of the two out"
            )
        if is_table and "min_density" in self.model_fields_set:
            raise ValueError(
                "min_density has no effect beside a distribution with densities of its own, at which pruning "
                "ends: leave one of the two out"
            )
        return self

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

    @model_validator(mode="after")
    def _has_one_speed(self) -> "PruningSettings":
        if self.schedule == "cubic" and "rate" in self.model_fields_set:
            raise ValueError(
                "rate has no effect with schedule = 'cubic', which follows from max_levels and min_density: "
                "leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _units_can_be_removed(self) -> "PruningSettings":
        if self.granularity == "weight" or self.masks_from is not None:
            return self
        if self.scope == "global":
            raise ValueError(
                "granularity is 'unit', but distribution is 'global': units of different layers have "
                "different numbers of weights; set distribution to 'uniform', 'erk' or densities by layer"
            )
        if self.prune_output:
            raise ValueError(
                "granularity is 'unit' and prune_output is true, which would remove classes: set it to false"
            )
        if self.min_inputs_per_unit:
            raise ValueError(
                "min_inputs_per_unit is for single weights, but granularity is 'unit': leave one of the two "
                "out"
            )
        return self

    @model_validator(mode="after")
    def _connections_can_grow(self) -> "PruningSettings":
        if self.regrowth == "none":
            for name in _ABOUT_REGROWTH:
                if name in self.model_fields_set:
                    raise ValueError(f"{name} has no effect without regrowth: set regrowth, or leave it out")
            return self
        for name in ("granularity", "min_inputs_per_unit"):
            if getattr(self, name) != _default(name):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but regrowth = {self.regrowth!r} changes single "
                    "connections within a layer and does not keep to that: leave one of the two out"
                )
        if self.max_levels == 0:
            raise ValueError(
                f"regrowth is {self.regrowth!r}, but max_levels is 0: the dense level has no connection to "
                "grow; set max_levels to 1 or more"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        # What has no effect is not part of a recipe's hash: recipes from before masks_from keep theirs, and a
        # resolved recipe that is read again does not give what it may not.
        unused = set(_ABOUT_MASKS if self.masks_from is None else unused_with(self.masks_from))
        unused.update(("scope",) if self._shares_out_by_itself else ("distribution",))
        if isinstance(self.distribution, dict):
            unused.add("min_density")
        if self.schedule == "cubic":
            unused.add("rate")
        if self.regrowth == "none":
            unused.update(_ABOUT_REGROWTH)
        unused.update(name for name in _ABSENT_BY_DEFAULT if getattr(self, name) == _default(name))
        return {name: value for name, value in dump(self).items() if name not in unused}

    def prunable(self, layers: Sequence[str]) -> list[str]:
        """Return the linear layers to prune among all of a network, which end with the output."""
        return list(layers) if self.prune_output or len(layers) == 1 else list(layers)[:-1]

    @property
    def _shares_out_by_itself(self) -> bool:
        """Whether `distribution` says more than `scope` does."""
        return self.distribution not in (None, "global", "uniform")

    @property
    def is_random(self) -> bool:
        """Whether masks are drawn at random and stay as they are drawn: the control of other searches."""
        return self.masks_from is None and self.criterion == "random" and self.regrowth == "none"

    @property
    def prunes_once(self) -> bool:
        """Whether there is a single round of pruning, after the dense level."""
        return self.schedule in ("one_shot", "one_shot_equal_compute")

    @property
    def rewind_step(self) -> int | None:
        """K of ``step:K``, 0 for ``init``, None where weights keep their trained values."""
        if self.rewind == "init":
            return 0
        return int(self.rewind.removeprefix("step:")) if self.rewind.startswith("step:") else None


def _default(name: str) -> Any:
    return PruningSettings.model_fields[name].default


def unused_with(masks_from: str) -> tuple[str, ...]:
    """Return the fields that have no effect where masks come from this source."""
    return _CHOOSE_WEIGHTS if masks_from == WINDOWS else _CHOOSE_WEIGHTS + _CHOOSE_COUNTS


def overridden(pruning: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ``[pruning]`` table without the fields that those of its override replace.

    A ``masks_from`` replaces the fields that have no effect beside it, ``scope`` and ``distribution`` replace
    each other, a ``distribution`` with densities of its own replaces ``min_density``, a cubic schedule
    replaces ``rate``, and ``regrowth = "none"`` replaces the fields about it.
    """
    masks_from, distribution = override.get("masks_from"), override.get("distribution")
    unused = set(unused_with(masks_from) if isinstance(masks_from, str) else ())
    if distribution is not None:
        unused.add("scope")
    elif "scope" in override:
        unused.add("distribution")
    if isinstance(distribution, Mapping):
        unused.add("min_density")
    if override.get("schedule") == "cubic":
        unused.add("rate")
    if override.get("regrowth") == "none":
        unused.update(_ABOUT_REGROWTH)
    return {name: value for name, value in pruning.items() if name not in unused}
