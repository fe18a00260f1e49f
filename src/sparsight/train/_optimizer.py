"""The optimizer that the settings name."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.train._settings import TrainingSettings

_WRAPPED = ("add_param_group", "state_dict", "load_state_dict")


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return a fresh optimizer for the parameters; `InputError` if momentum is set without ``sgd``."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        sgd = _unwrapped(torch.optim.SGD)
        return sgd(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **common)
    if settings.momentum:
        raise InputError("training.momentum is for optimizer = 'sgd'; remove it or change the optimizer")
    optimizer = _unwrapped(torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW)
    return optimizer(parameters, **common)


@functools.cache
def _unwrapped(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return an optimizer's class without what torch wraps around its methods for compiler and profiler.

    The numbers are the same. The wrappers import ``torch._dynamo``, which takes as long as importing torch,
    and at every step they cost a small network more than the update of its weights. Hooks of steps are
    among the wrappers.
    """
    take_step: Any = inspect.unwrap(kind.step)

    @torch.no_grad()
    def step(self: torch.optim.Optimizer) -> None:
        take_step(self)

    def zero_grad(self: torch.optim.Optimizer, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()

    step.hooked = True  # type: ignore[attr-defined]  # what torch looks at before it wraps `step` again
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _WRAPPED}
    return type(kind.__name__, (kind,), {**methods, "step": step, "zero_grad": zero_grad})
