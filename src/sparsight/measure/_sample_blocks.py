"""Samples in blocks, from whatever holds them: an array, a tensor, a memory map, or batches."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from sparsight.errors import InputError

Samples = Shaped[np.ndarray | Tensor, "n in"] | Iterable[np.ndarray | Tensor]
"""Inputs of a layer: all samples in one array, or batches of them."""
BLOCK = 2048
"""Samples in one matrix product. Its float32 sums stay short; more samples would save only a few per cent."""


def sample_blocks(
    inputs: Samples, num_inputs: int, device: torch.device, chosen: np.ndarray | None = None
) -> Iterator[Tensor]:
    """Yield samples in blocks of at most 2048, on a device; wrong shapes, NaN and infinity raise InputError.

    float32 and float64 stay as they are; smaller floats, booleans and small integers become float32, wide
    integers float64. A memory map is read block by block. `chosen` lists the samples of an array to yield,
    ascending; all by default.
    """
    if isinstance(inputs, np.ndarray | Tensor):
        _check_shape(inputs, num_inputs)
        num_samples = len(inputs) if chosen is None else len(chosen)
        for start in range(0, num_samples, BLOCK):
            part = slice(start, start + BLOCK)
            yield _as_floats(inputs[part if chosen is None else chosen[part]], device)
        return
    gathered: list[Tensor] = []  # small batches are joined: matrix products of few samples are slow
    for batch in inputs:
        for block in sample_blocks(_check_shape(batch, num_inputs), num_inputs, device):
            if sum(map(len, gathered)) + len(block) > BLOCK:
                yield torch.cat(gathered)
                gathered = []
            gathered.append(block)
    if gathered:
        yield torch.cat(gathered)


def read_once(inputs: Samples) -> bool:
    """Return whether samples can be read only once, as from a generator."""
    return not isinstance(inputs, np.ndarray | Tensor) and iter(inputs) is inputs


def class_members(
    inputs: np.ndarray | Tensor, labels: np.ndarray | Tensor, num_classes: int | None
) -> list[np.ndarray]:
    """Return the indices of each class's samples, ascending; labels out of range raise InputError."""
    if len(inputs) < 2:
        raise InputError(f"inputs have shape {tuple(inputs.shape)}; (n, in) with n at least 2 is needed")
    found = labels.cpu().numpy() if isinstance(labels, Tensor) else labels
    least, greatest = int(found.min()), int(found.max())
    if least < 0 or (num_classes is not None and greatest >= num_classes):
        raise InputError(
            f"labels range from {least} to {greatest}; 0 to num_classes - 1 is allowed"
            + ("" if num_classes is None else f", and num_classes is {num_classes}")
        )
    return [np.flatnonzero(found == label) for label in range(num_classes or greatest + 1)]


def _check_shape(batch: object, num_inputs: int) -> np.ndarray | Tensor:
    if not isinstance(batch, np.ndarray | Tensor) or batch.ndim != 2 or batch.shape[1] != num_inputs:
        found = f"shape {tuple(batch.shape)}" if hasattr(batch, "shape") else type(batch).__name__
        raise InputError(
            f"inputs: found {found}; give an array or tensor of shape (n, {num_inputs}) "
            "(as many as weight has columns), or batches of them"
        )
    return batch


def _as_floats(block: np.ndarray | Tensor, device: torch.device) -> Tensor:
    if isinstance(block, np.ndarray):
        # torch warns about read-only arrays, such as memory maps
        block = torch.from_numpy(block if block.flags.writeable else block.copy())
    block = block.detach()
    if block.dtype not in (torch.float32, torch.float64):
        # float32 holds every integer of up to 24 bits, but not all of 32
        wide = not block.is_floating_point() and block.element_size() >= 4
        block = block.to(torch.float64 if wide else torch.float32)
    # The sum is the cheaper test: it is finite if every value is, unless it overflows.
    if not torch.isfinite(block.sum()) and not torch.isfinite(block).all():
        raise InputError("inputs hold NaN or infinite values; remove those samples")
    return block.to(device)
