"""A torch network as a chain of affine layers, with BatchNorm folded into the weights."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.measure import Chain
from sparsight.network._fully_connected import Erf

_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    Erf: "erf",
    nn.Sigmoid: "sigmoid",
}
_WITHOUT_EFFECT = (nn.Identity, nn.Dropout, nn.Flatten)


def chain_of(network: nn.Module) -> Chain:
    """Return a network in evaluation mode as a chain of affine layers, exactly.

    BatchNorm in evaluation mode is x ↦ a·x + c with a = γ/√(σ² + eps) and c = β − a·μ; it becomes part of the
    weights and biases of the linear layer before it or, if there is none, behind it. Linear layers without
    an activation between them become one. Dropout does nothing in evaluation mode.

    Parameters
    ----------
    network : torch.nn.Module
        A linear layer or a ``torch.nn.Sequential`` of linear layers, BatchNorm1d with running statistics,
        dropout, and ReLU, tanh, erf or sigmoid: every network of a recipe. It is left unchanged.

    Returns
    -------
    Chain
        In float64. Its logits are those of the network up to the network's own rounding.

    Raises
    ------
    InputError
        If a module is of another kind, or an activation has no linear layer before or behind it; the message
        names it.

    Examples
    --------
    >>> import torch, sparsight
    >>> network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU(),
    ...                               torch.nn.Linear(3, 2))
    >>> [weight.shape for weight in sparsight.chain_of(network).weights]
    [(3, 4), (2, 3)]
    """
    if not isinstance(network, nn.Module):
        raise InputError(f"network is {described(network)}; a torch.nn.Module is needed")
    layers, activations, current = [], [], _Affine()
    for name, module in _modules(network):
        if type(module) in _ACTIVATIONS:
            layers.append(current.layer(name))
            activations.append(_ACTIVATIONS[type(module)])
            current = _Affine()
        else:
            current.then(name, module)
    layers.append(current.layer("the output"))
    return Chain(
        weights=tuple(weight for weight, _ in layers),
        biases=tuple(bias for _, bias in layers),
        activations=tuple(activations),
    )


def _modules(network: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    if type(network).forward is nn.Sequential.forward:
        for key, child in network.named_children():
            yield from _modules(child, f"{name}.{key}" if name else key)
    else:
        yield name or "the network", network


class _Affine:
    """The modules since the last activation, as one affine function; a diagonal before any linear layer."""

    def __init__(self) -> None:
        self._scale: np.ndarray | float = 1.0
        self._shift: np.ndarray | float = 0.0
        self._weight: np.ndarray | None = None
        self._bias = np.zeros(0)

    def layer(self, end: str) -> tuple[np.ndarray, np.ndarray]:
        if self._weight is None:
            raise InputError(
                f"no linear layer is between {end} and what is before it; a chain needs one before each "
                "activation and at the end"
            )
        return self._weight, self._bias

    def then(self, name: str, module: nn.Module) -> None:
        if type(module) is nn.Linear:
            self._then_linear(module)
        elif type(module) is nn.BatchNorm1d and module.running_mean is not None:
            scale, shift = _scale_and_shift(module)
            if self._weight is None:
                self._scale, self._shift = scale * self._scale, scale * self._shift + shift
            else:
                self._weight, self._bias = scale[:, None] * self._weight, scale * self._bias + shift
        elif type(module) not in _WITHOUT_EFFECT:
            raise InputError(
                f"{name} is a {type(module).__name__}; a chain is made of Linear, BatchNorm1d with running "
                "statistics, Dropout, Flatten, ReLU, Tanh, erf and Sigmoid"
            )

    def _then_linear(self, module: nn.Linear) -> None:
        weight = _float64(module.weight)
        bias = np.zeros(len(weight)) if module.bias is None else _float64(module.bias)
        if self._weight is None:
            shift = np.broadcast_to(self._shift, weight.shape[1:])
            self._weight, self._bias = weight * self._scale, weight @ shift + bias
        else:
            self._weight, self._bias = weight @ self._weight, weight @ self._bias + bias


def _scale_and_shift(module: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    assert module.running_mean is not None
    assert module.running_var is not None
    scale = 1 / np.sqrt(_float64(module.running_var) + module.eps)
    if module.affine:
        scale = scale * _float64(module.weight)
    shift = -scale * _float64(module.running_mean)
    return scale, shift + _float64(module.bias) if module.affine else shift


def _float64(values: Tensor) -> np.ndarray:
    found: np.ndarray = values.detach().cpu().double().numpy()
    return found
