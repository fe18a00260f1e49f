"""Which linear layers a network calls, and which of them gives its outputs, read from one forward pass."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sparsight.network import evaluating, linear_layers
from sparsight.streams import torch_draws


def called_layers(network: nn.Module, inputs: Tensor) -> list[str]:
    """Return the linear layers that a forward pass uses, in the order in which they were defined."""
    called: set[str] = set()
    handles = []
    for name, layer in _reported_by(network).items():

        def note(_module: nn.Module, _given: Any, _outputs: Any, name: str = name) -> None:
            called.add(name)

        handles.append(layer.register_forward_hook(note))
    _run(network, inputs, handles, with_gradient=False)
    return [name for name in linear_layers(network) if name in called]


def output_layers(network: nn.Module, inputs: Tensor) -> list[str] | None:
    """Return the linear layers from which the outputs follow without passing another layer with a matrix.

    They are found by walking back from the outputs, along the operations that made them, to the first layer
    on each way. Layers that are no ``torch.nn.Linear`` (a convolution) end a way and are not named.

    Returns
    -------
    list of str or None
        None if the outputs do not tell how they were made, as under ``torch.no_grad``.
    """
    trial = copy.deepcopy(network).requires_grad_(True)
    linear = linear_layers(trial)
    owner: dict[Any, str | None] = {}
    handles = []
    for name, module in {**_other_layers(trial), **_reported_by(trial)}.items():

        def note(_module: nn.Module, _given: Any, outputs: Any, name: str = name) -> None:
            made = outputs[0] if isinstance(outputs, tuple) else outputs
            if isinstance(made, Tensor) and made.grad_fn is not None:
                owner[made.grad_fn] = name if name in linear else None

        handles.append(module.register_forward_hook(note))
    outputs = _run(trial, inputs, handles, with_gradient=True)
    if not isinstance(outputs, Tensor) or outputs.grad_fn is None:
        return None
    found: set[str | None] = set()
    seen: set[Any] = set()
    ahead: list[Any] = [outputs.grad_fn]
    while ahead:
        operation = ahead.pop()
        if operation in seen:
            continue
        seen.add(operation)
        if operation in owner:
            found.add(owner[operation])
        else:
            ahead.extend(before for before, _ in operation.next_functions if before is not None)
    return [name for name in linear if name in found]


def _reported_by(network: nn.Module) -> dict[str, nn.Module]:
    """Return, for each linear layer, the module whose call tells that it is used."""
    reported: dict[str, nn.Module] = dict(linear_layers(network))
    for name, module in network.named_modules():
        # Attention multiplies with the weight of its out_proj without calling that module.
        if isinstance(module, nn.MultiheadAttention):
            reported[f"{name}.out_proj" if name else "out_proj"] = module
    return reported


def _other_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules without parts that multiply with a matrix, or more, of their own."""
    return {
        name: module
        for name, module in network.named_modules()
        if not any(True for _ in module.children())
        and any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    }


def _run(network: nn.Module, inputs: Tensor, handles: list[RemovableHandle], *, with_gradient: bool) -> Any:
    try:
        with (
            torch.set_grad_enabled(with_gradient),
            evaluating(network),
            torch_draws(inputs.device, 0, "trial"),
        ):
            return network(inputs)
    finally:
        for handle in handles:
            handle.remove()
