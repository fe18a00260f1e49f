"""The loss of a network on fixed samples, as a function of its kept parameters."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.parametrize import is_parametrized

from sparsight.errors import InputError
from sparsight.prune import check_mask, copied
from sparsight.train import Loss, batch_loss


class KeptLoss:
    """The mean loss on fixed samples as a function of the parameters that pruning has left.

    Its variables are the entries of all parameters that require a gradient, without those that a mask
    removes, one after the other. The network is copied, and evaluated in evaluation mode: BatchNorm uses its
    running statistics, and dropout is off.

    Parameters
    ----------
    network : torch.nn.Module
        Left unchanged.
    masks : mapping of str to Tensor of bool
        Kept entries by parameter name; parameters without a mask are kept whole.
    inputs, labels : Tensor
        As the network receives them, (n, …), and the classes, int64 (n,).
    loss : {"cross_entropy", "mse"}
        As in the training settings.

    Raises
    ------
    InputError
        If a mask does not fit a parameter, there is no sample, no entry is kept, or the network cannot be
        copied because of ``torch.nn.utils.prune``; the message says how to remove it.
    """

    def __init__(
        self, network: nn.Module, masks: Mapping[str, Tensor], inputs: Tensor, labels: Tensor, loss: Loss
    ) -> None:
        if len(inputs) != len(labels) or not len(labels):
            raise InputError(
                f"inputs have {len(inputs)} and labels {len(labels)} samples; give one label for each input, "
                "and at least one"
            )
        self._network = copied(network).eval()
        self._parameters = {
            name: each for name, each in self._network.named_parameters() if each.requires_grad
        }
        self._kept = {
            name: torch.ones_like(each, dtype=torch.bool) for name, each in self._parameters.items()
        }
        for name, mask in masks.items():
            self._remove(name, mask)
        self.size = sum(int(kept.sum()) for kept in self._kept.values())
        if not self.size:
            raise InputError("no parameter of the network is kept, so its loss has no curvature")
        device = next(iter(self._parameters.values())).device
        self._inputs, self._labels, self._loss = inputs.to(device), labels.to(device), loss
        self._gradient: tuple[Tensor, ...] = ()

    def _remove(self, name: str, mask: Tensor) -> None:
        """Set the entries that a mask removes to 0, and take them from the variables."""
        under_all_names = dict(self._network.named_parameters(remove_duplicate=False))
        if name not in under_all_names:
            if self._is_computed(name) and mask.all():
                return
            raise InputError(
                f"masks: {name!r} is no parameter of the network, so that its entries cannot be 0"
            )
        parameter = under_all_names[name]
        check_mask(name, mask, tuple(parameter.shape))
        kept = mask.to(parameter.device)
        with torch.no_grad():
            parameter.masked_fill_(~kept, 0.0)
        for own, each in self._parameters.items():
            if each is parameter:  # not so if it requires no gradient
                self._kept[own] &= kept

    def _is_computed(self, name: str) -> bool:
        owner, _, attribute = name.rpartition(".")
        modules = dict(self._network.named_modules())
        return owner in modules and is_parametrized(modules[owner], attribute)

    def value(self, displacement: Mapping[str, Tensor] | None = None) -> float:
        """Return the loss after parameters have moved by their displacements; the others stay."""
        moved = {name: each.detach() for name, each in self._parameters.items()}
        for name, step in (displacement or {}).items():
            moved[name] = moved[name] + step
        with torch.no_grad():
            return float(self._loss_at(moved))

    def hessian_product(self, vector: np.ndarray) -> np.ndarray:
        """Return H v for v of float64 (size,), with H the Hessian of the loss in the kept entries."""
        if not self._gradient:
            self._gradient = torch.autograd.grad(
                self._loss_at(self._parameters),
                list(self._parameters.values()),
                create_graph=True,
                materialize_grads=True,
            )
        directions = self._unpacked(vector)
        slope = torch.stack(
            [(each * way).sum() for each, way in zip(self._gradient, directions, strict=True)]
        ).sum()
        product = torch.autograd.grad(
            slope, list(self._parameters.values()), retain_graph=True, materialize_grads=True
        )
        pieces = [each[kept] for each, kept in zip(product, self._kept.values(), strict=True)]
        return torch.cat(pieces).double().cpu().numpy()

    def random_displacement(self, relative_norm: float, stream: np.random.Generator) -> dict[str, Tensor]:
        """Return Gaussian displacements of the kept entries, scaled to the parameters' norms.

        Each parameter's has `relative_norm` times the norm of the parameter; that of a parameter of norm 0
        is 0.
        """
        displacement = {}
        for name, each in self._parameters.items():
            drawn = torch.from_numpy(stream.normal(size=tuple(each.shape))).to(each) * self._kept[name]
            norm = float(drawn.norm())
            scale = relative_norm * float(each.detach().norm()) / norm if norm else 0.0
            displacement[name] = drawn * scale
        return displacement

    def _loss_at(self, parameters: Mapping[str, Tensor]) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no second derivative
            outputs = functional_call(self._network, dict(parameters), (self._inputs,))
        return batch_loss(outputs, self._labels, self._loss)

    def _unpacked(self, vector: np.ndarray) -> list[Tensor]:
        """Return a vector over the kept entries as tensors of the parameters' shapes, 0 where pruned."""
        ends = np.cumsum([int(kept.sum()) for kept in self._kept.values()])
        unpacked = []
        for piece, (name, kept) in zip(np.split(vector, ends[:-1]), self._kept.items(), strict=True):
            like = self._parameters[name]
            whole = torch.zeros_like(like)
            whole[kept] = torch.from_numpy(np.ascontiguousarray(piece)).to(like)
            unpacked.append(whole)
        return unpacked
