"""The ``[training]`` table of a recipe, and the learning rate that follows from it."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparsight.settings import Settings
from sparsight.sparse import Kernel

Loss = Literal["cross_entropy", "mse"]


class TrainingSettings(Settings):
    """The ``[training]`` table of a recipe.

    Attributes
    ----------
    steps, epochs : int or None
        Length of level 0; give one of the two. An epoch is ⌊n / batch_size⌋ steps. 0: networks are never
        trained, only pruned, level by level (see "Networks that are never trained" in docs/decisions.md).
    batch_size : int
        Samples of a step; at least 2, because BatchNorm needs a variance.
    optimizer : {"sgd", "adam", "adamw"}
        Starts fresh at every level.
    learning_rate : float
        Peak value η.
    momentum : float
        For ``sgd`` only.
    nesterov : bool
        Whether momentum is Nesterov's. Needs momentum above 0.
    weight_decay : float
        Applies to all parameters; decoupled from the gradient with ``adamw``.
    schedule : {"constant", "step", "cosine"}
        See `learning_rate`.
    milestones : tuple of int
        Steps at which ``step`` multiplies η by `decay`.
    decay : float
        Factor of η at each milestone.
    warmup_steps : int
        Steps over which η rises linearly to its peak.
    loss : {"cross_entropy", "mse"}
        ``mse`` is against one-hot labels, averaged over classes.
    evaluations : int
        Number of evaluations of test loss and accuracy, evenly spaced; the last one follows the last step.
    kernel : {"auto", "dense", "csr"}
        How pruned layers are multiplied: with kept weights only (``csr``), as dense matrices with zeros
        (``dense``), or layer by layer whichever is faster at its density (``auto``). The mathematics is the
        same, the rounding is not.
    precision : {"float32", "tf32", "bf16"}
        Precision of matrix products in training; weights and their updates stay float32. ``tf32`` is for a
        GPU only; ``bf16`` uses ``torch.autocast`` and keeps all layers dense.
    """

    steps: int | None = Field(None, ge=0)
    epochs: int | None = Field(None, ge=0)
    batch_size: int = Field(128, gt=1)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = Field(0.05, gt=0, allow_inf_nan=False)
    momentum: float = Field(0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    schedule: Literal["constant", "step", "cosine"] = "constant"
    milestones: tuple[Annotated[int, Field(gt=0)], ...] = ()
    decay: float = Field(0.1, gt=0, le=1)
    warmup_steps: int = Field(0, ge=0)
    loss: Loss = "cross_entropy"
    evaluations: int = Field(10, gt=0)
    kernel: Kernel = "auto"
    precision: Literal["float32", "tf32", "bf16"] = "float32"

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSettings":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs (and not both)")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0")
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError("milestones are needed with schedule = 'step' and allowed only there")
        if self.precision == "bf16" and self.kernel == "csr":
            raise ValueError(
                "kernel = 'csr' is for precision = 'float32' or 'tf32'; choose 'auto' or 'dense'"
            )
        return self

    @property
    def effective_kernel(self) -> Kernel:
        """The kernel, ``dense`` with ``bf16``."""
        return "dense" if self.precision == "bf16" else self.kernel

    def num_steps(self, num_samples: int) -> int:
        """Return the number of steps of level 0 on a training set of this size."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * max(num_samples // self.batch_size, 1)


def learning_rate(settings: TrainingSettings, step: int, num_steps: int) -> float:
    """Return the learning rate of step t of T in total, 0 ≤ t < T.

    With peak η and u warm-up steps: (t + 1)/u · η while t < u; then η (``constant``), η · decay^(number of
    milestones ≤ t) (``step``), or η/2 · (1 + cos(π (t − u)/(T − u))) (``cosine``).
    """
    peak = settings.learning_rate
    warmup = settings.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    if settings.schedule == "step":
        return peak * settings.decay ** sum(milestone <= step for milestone in settings.milestones)
    if settings.schedule == "cosine":
        return 0.5 * peak * (1 + math.cos(math.pi * (step - warmup) / max(num_steps - warmup, 1)))
    return peak
