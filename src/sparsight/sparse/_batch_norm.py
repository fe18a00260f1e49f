"""The moments of a BatchNorm in the sparse step, separate from their use.

The kernels apply mean and variance while they read an input; here they are taken from the batch, or from the
running statistics, which are updated as torch does.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sparsight.sparse._live_part import LivePart
from sparsight.sparse._threads import even_shares, in_parallel
from sparsight.sparse._tiles import RELU_FIRST, Activations, Batch, Tiling


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and (biased) variance by which inputs are standardised, float64, (features,).

    `num_samples` is None for running statistics, which do not depend on the batch.
    """

    mean: np.ndarray
    variance: np.ndarray
    num_samples: int | None


def is_supported(module: nn.Module) -> bool:
    """Return whether a module is a BatchNorm that the sparse step can compute."""
    return (
        type(module) is nn.BatchNorm1d
        and module.affine
        and module.track_running_stats
        and module.momentum is not None
    )


def moments(
    module: nn.BatchNorm1d, source: Batch | Activations, tiling: Tiling, relu: int, part: LivePart
) -> Moments:
    """Return the moments by which `module` standardises live inputs; update its running statistics.

    `relu` is `RELU_FIRST` if the inputs are rectified first; `part` belongs to the layer that reads the
    inputs.
    """
    assert module.running_mean is not None
    assert module.running_var is not None
    if not module.training:
        mean, variance = (t.double().numpy() for t in (module.running_mean, module.running_var))
        return _live(Moments(mean, variance, None), part)
    if isinstance(source, Batch):
        found = _of_rows(source)
        _move_running_statistics(module, found)
        return _live(found, part)
    found = _of_tiles(source, tiling, relu)
    # The tiles lack constant features, but the module has running statistics for these as well.
    _move_running_statistics(module, _with_constants(found, source, relu, part))
    return found


def _live(found: Moments, part: LivePart) -> Moments:
    if part.inputs is None:
        return found
    live = part.inputs.numpy()
    return Moments(found.mean[live], found.variance[live], found.num_samples)


def _with_constants(found: Moments, source: Activations, relu: int, part: LivePart) -> Moments:
    if part.inputs is None or part.constant_inputs is None or source.constants is None:
        return found
    constants = source.constants.detach().double().numpy()
    mean, variance = np.zeros((2, len(part.inputs) + len(part.constant_inputs)))
    mean[part.inputs.numpy()], variance[part.inputs.numpy()] = found.mean, found.variance
    mean[part.constant_inputs.numpy()] = np.maximum(constants, 0) if relu == RELU_FIRST else constants
    return Moments(mean, variance, found.num_samples)


def _of_rows(batch: Batch) -> Moments:
    from sparsight.sparse.kernels._layer_inputs import row_moments

    table = batch.table
    mean, squares = np.empty((2, table.numbers.shape[1]))
    in_parallel(row_moments, even_shares(len(mean)), table.numbers, batch.rows, mean, squares)
    variance = squares / len(batch.rows)
    if table.mean is not None and table.sd is not None:
        mean, variance = (mean - table.mean) / table.sd, variance / table.sd**2
    return Moments(mean, variance, len(batch.rows))


def _of_tiles(source: Activations, tiling: Tiling, relu: int) -> Moments:
    from sparsight.sparse.kernels._layer_inputs import all_tile_moments
    from sparsight.sparse.kernels._totals import batch_moments

    found = source.moments
    if found is None:
        found = np.empty((2, *source.tiles.shape[:2]))
        arguments = (source.tiles.detach().numpy(), tiling.num_samples, relu, found)
        in_parallel(all_tile_moments, even_shares(tiling.num_tiles), *arguments)
    mean, variance = np.empty((2, found.shape[2]))
    batch_moments(*found, tiling.num_samples, tiling.width, mean, variance)
    return Moments(mean, variance, tiling.num_samples)


@torch.no_grad()
def _move_running_statistics(module: nn.BatchNorm1d, found: Moments) -> None:
    assert module.running_mean is not None
    assert module.running_var is not None
    assert module.num_batches_tracked is not None
    assert module.momentum is not None
    assert found.num_samples is not None
    unbiased = found.variance * (found.num_samples / (found.num_samples - 1))
    for running, now in ((module.running_mean, found.mean), (module.running_var, unbiased)):
        running.lerp_(torch.from_numpy(now).to(running.dtype), module.momentum)
    module.num_batches_tracked.add_(1)
