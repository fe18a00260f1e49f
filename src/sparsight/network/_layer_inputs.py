"""What a layer receives while a network evaluates samples."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from sparsight.errors import InputError
from sparsight.network._layers import evaluating
from sparsight.network._linear_maps import linear_maps

_FORWARD_BATCH = 2048


@torch.no_grad()
def layer_inputs(network: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, Tensor]:
    """Return the input of each named layer while the network evaluates the given samples.

    Parameters
    ----------
    layers : sequence of str
        Names, as in `linear_maps`.
    inputs : Tensor of float32, (n, num_inputs)
        Inputs of the network.

    Returns
    -------
    dict of str to Tensor of float32, (n, in)
        By layer, on the CPU. A layer that is applied at several places of a sample has further axes between
        the two; a convolution receives (n, in_channels, *size). The ``out_proj`` of a
        ``torch.nn.MultiheadAttention`` receives what its heads return, side by side.

    Raises
    ------
    InputError
        If the network does not call a layer exactly once per batch of samples.
    """
    received: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = [_listen(network, name, received[name]) for name in layers]
    device = next(network.parameters()).device
    try:
        with evaluating(network):
            for batch in inputs.split(_FORWARD_BATCH):  # type: ignore[no-untyped-call]
                network(batch.to(device))
    finally:
        for hook in hooks:
            hook.remove()
    for name, pieces in received.items():
        if (found := sum(map(len, pieces))) != len(inputs):
            raise InputError(
                f"layer {name!r} received {found} rows for {len(inputs)} samples; a layer must be called "
                "once per batch, with the samples along the first axis: name other layers"
            )
    return {name: torch.cat(pieces) for name, pieces in received.items()}


def _listen(network: nn.Module, layer: str, received: list[Tensor]) -> RemovableHandle:
    """Append what the layer receives, at each call, to a list, until the handle is removed."""
    parent = network.get_submodule(layer.rpartition(".")[0])
    if isinstance(parent, nn.MultiheadAttention):
        if layer.endswith(".in_proj"):
            return parent.register_forward_pre_hook(partial(_keep_tokens, layer, received), with_kwargs=True)
        hook = partial(_keep_heads, received)
        return parent.register_forward_hook(hook, with_kwargs=True)
    module = linear_maps(network)[layer].module
    return module.register_forward_pre_hook(lambda _module, given: received.append(given[0].detach().cpu()))


def _keep_tokens(
    layer: str,
    received: list[Tensor],
    attention: nn.MultiheadAttention,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    """Append what an attention's ``in_proj`` receives: tokens that are queries, keys and values alike."""
    given = dict(zip(("query", "key", "value"), arguments, strict=False)) | options
    query = given["query"]
    if given["key"] is not query or given["value"] is not query:
        raise InputError(
            f"layer {layer!r} receives different tokens as queries, keys and values, so that it is no one "
            "linear map; leave it out"
        )
    tokens = query.detach().cpu()
    received.append(tokens if attention.batch_first or tokens.ndim < 3 else tokens.transpose(0, 1))


def _keep_heads(
    received: list[Tensor],
    attention: nn.MultiheadAttention,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    _outputs: object,
) -> None:
    """Append what an attention's ``out_proj`` receives.

    The attention multiplies with the weight of that module and never calls it. With the identity as weight,
    it returns what it multiplies.
    """
    out_proj = attention.out_proj
    identity = {"out_proj.weight": torch.eye(out_proj.in_features).to(out_proj.weight)}
    if out_proj.bias is not None:
        identity["out_proj.bias"] = torch.zeros_like(out_proj.bias)
    heads, _ = functional_call(_Unheard(attention), _below("attention", identity), arguments, options)
    if not attention.batch_first and heads.ndim == 3:
        heads = heads.transpose(0, 1)
    received.append(heads.detach().cpu())


class _Unheard(nn.Module):
    """An attention whose hooks are not called."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, *arguments: Any, **options: Any) -> Any:
        return self.attention.forward(*arguments, **options)


def _below(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in state.items()}
