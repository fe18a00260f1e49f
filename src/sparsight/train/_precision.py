"""The precision of matrix products in training, as the settings ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparsight.train._settings import TrainingSettings


def autocast(device: torch.device, settings: TrainingSettings, *, cuda_graph: bool) -> torch.autocast:
    """Return the context in which outputs are computed at the precision of the settings.

    With a CUDA graph, autocast's cache is off: a recorded pass contains its own casts and must not find any
    in the cache.
    """
    is_on = settings.precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_on, cache_enabled=not cuda_graph)


@contextmanager
def tf32_if(is_allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 in matrix products on a GPU inside the block."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
