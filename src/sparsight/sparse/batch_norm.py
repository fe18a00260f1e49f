"""BatchNorm on tiles, together with the ReLU that follows it."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from sparsight.sparse.threads import even_shares, in_parallel
from sparsight.sparse.tiles import Tiling


def batch_norm(module: nn.BatchNorm1d, tiles: Tensor, tiling: Tiling, *, is_rectified: bool) -> Tensor:
    """Return what `module` gives, and torch.relu of that if asked; its running statistics move as ever.

    Parameters
    ----------
    module : torch.nn.BatchNorm1d
        With γ and β and with running statistics (see `is_supported`).
    tiles : Tensor, (tiles, features, width)
    tiling : Tiling
    is_rectified : bool

    Returns
    -------
    Tensor, (tiles, features, width)
    """
    if tiles.device.type != "cpu" or not module.training:
        # with one tile this is BatchNorm over its columns; in evaluation no column sees another
        outputs = cast(Tensor, module(tiles))
        return functional.relu(outputs) if is_rectified else outputs
    outputs, mean, variance = _BatchNorm.apply(  # type: ignore[no-untyped-call]
        tiles, module.weight, module.bias, tiling.num_samples, module.eps, is_rectified
    )
    _move_running_statistics(module, mean, variance, tiling.num_samples)
    return cast(Tensor, outputs)


def standardised(module: nn.BatchNorm1d, tiles: Tensor, tiling: Tiling) -> Tensor:
    """Return tiles standardised as `module` does, before γ and β; for inputs that need no gradient."""
    plain = nn.BatchNorm1d(
        module.num_features, eps=module.eps, momentum=module.momentum, device=tiles.device, dtype=tiles.dtype
    )
    plain.running_mean, plain.running_var = module.running_mean, module.running_var
    plain.num_batches_tracked = module.num_batches_tracked
    plain.requires_grad_(False).train(module.training)
    return batch_norm(plain, tiles, tiling, is_rectified=False)


def is_supported(module: nn.Module) -> bool:
    """Whether `batch_norm` can stand in for a module."""
    return (
        type(module) is nn.BatchNorm1d
        and module.affine
        and module.track_running_stats
        and module.momentum is not None
    )


class _BatchNorm(Function):
    @staticmethod
    def forward(
        ctx: Any, tiles: Tensor, gamma: Tensor, beta: Tensor, num_samples: int, eps: float, is_rectified: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        from sparsight.sparse import tile_kernels

        outputs = torch.empty_like(tiles)
        mean, variance = torch.empty_like(gamma), torch.empty_like(gamma)
        arrays = [_array(tensor) for tensor in (gamma, beta)]
        filled = [_array(tensor) for tensor in (outputs, mean, variance)]
        arguments = (_array(tiles), num_samples, *arrays, eps, is_rectified, *filled)
        in_parallel(tile_kernels.batch_norm, even_shares(len(gamma)), *arguments)
        ctx.save_for_backward(tiles, outputs, gamma, mean, variance)
        ctx.options = (num_samples, eps, is_rectified)
        ctx.mark_non_differentiable(mean, variance)
        return outputs, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        from sparsight.sparse import tile_kernels

        tiles, outputs, gamma, mean, variance = (_array(tensor) for tensor in ctx.saved_tensors)
        num_samples, eps, is_rectified = ctx.options
        gradient = gradients[0].contiguous()
        by_tiles = torch.empty_like(gradient)
        by_gamma, by_beta = gradient.new_empty(len(gamma)), gradient.new_empty(len(gamma))
        arguments = (tiles, outputs, _array(gradient), num_samples, gamma, eps, is_rectified, mean, variance)
        filled = [_array(tensor) for tensor in (by_tiles, by_gamma, by_beta)]
        in_parallel(tile_kernels.batch_norm_gradient, even_shares(len(gamma)), *arguments, *filled)
        return by_tiles, by_gamma, by_beta, None, None, None


@torch.no_grad()
def _move_running_statistics(
    module: nn.BatchNorm1d, mean: Tensor, variance: Tensor, num_samples: int
) -> None:
    assert module.running_mean is not None
    assert module.running_var is not None
    assert module.num_batches_tracked is not None
    assert module.momentum is not None
    module.num_batches_tracked.add_(1)
    module.running_mean.lerp_(mean, module.momentum)
    module.running_var.lerp_(variance * (num_samples / (num_samples - 1)), module.momentum)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().numpy()
