"""Memory that runs out: how it shows, and what helps."""

import torch

HOW_TO_USE_LESS = (
    "to use less memory: fewer processes with --jobs, fewer samples with measure.num_samples, "
    "a smaller training.batch_size"
)


def lacks_memory(error: BaseException) -> bool:
    """Return whether an exception says that the system or a GPU had no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # On a CPU torch has no class of its own for this.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
