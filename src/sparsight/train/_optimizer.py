"""The optimizer that the settings name."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.train._settings import TrainingSettings


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return a fresh optimizer for the parameters; `InputError` if momentum is set without ``sgd``."""
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **common)
    if settings.momentum:
        raise InputError("training.momentum is for optimizer = 'sgd'; remove it or change the optimizer")
    optimizer = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return optimizer(parameters, **common)
