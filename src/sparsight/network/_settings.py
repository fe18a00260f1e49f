"""Settings of the network: the ``[network]`` table of a recipe, and the shapes that follow from it."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparsight.settings import Settings

Initialisation = Literal["torch", "xavier", "he", "normal", "orthogonal", "low_rank"]


class NetworkSettings(Settings):
    """The ``[network]`` table of a recipe.

    Attributes
    ----------
    widths : tuple of int
        Units of each hidden layer; empty for a single linear layer.
    activation : {"relu", "tanh", "erf", "sigmoid", "linear"}
        Applied after every hidden layer.
    batch_norm : {"none", "hidden", "input"}
        Position of BatchNorm: nowhere, on hidden pre-activations, or on the input of every layer.
    batch_norm_eps : float
        Added to the variance. The ancestor code uses 1e-10.
    bias : bool
        Whether linear layers have biases.
    init : {"torch", "xavier", "he", "normal", "orthogonal", "low_rank"}
        See `initialise_`.
    init_std : float or None
        Standard deviation of the weights with ``init = "normal"``; allowed only there.
    """

    widths: tuple[Annotated[int, Field(gt=0)], ...] = (256,)
    activation: Literal["relu", "tanh", "erf", "sigmoid", "linear"] = "relu"
    batch_norm: Literal["none", "hidden", "input"] = "none"
    batch_norm_eps: float = Field(1e-5, gt=0)
    bias: bool = True
    init: Initialisation = "torch"
    init_std: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _normal_has_std(self) -> "NetworkSettings":
        if (self.init == "normal") != (self.init_std is not None):
            raise ValueError("init_std is needed with init = 'normal' and allowed only there")
        return self


def linear_shapes(
    num_inputs: int, num_classes: int, settings: NetworkSettings
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of ``weight`` and ``bias`` in each linear layer of a `FullyConnected`, by layer."""
    widths = (num_inputs, *settings.widths, num_classes)
    return {
        f"linear_{depth}": {"weight": (fan_out, fan_in)} | ({"bias": (fan_out,)} if settings.bias else {})
        for depth, (fan_in, fan_out) in enumerate(itertools.pairwise(widths))
    }
