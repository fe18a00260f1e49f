"""What a network says about samples."""

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.network._layers import evaluating

_FORWARD_BATCH = 2048


@torch.no_grad()
def outputs_of(network: nn.Module, inputs: Tensor) -> np.ndarray:
    """Return the outputs of a network in evaluation mode as float64, (n, …).

    Parameters
    ----------
    inputs : Tensor of float32, (n, num_inputs)
        Samples, on any device.
    """
    device = next(network.parameters()).device
    with evaluating(network):
        pieces = [network(batch.to(device)).cpu() for batch in inputs.split(_FORWARD_BATCH)]  # type: ignore[no-untyped-call]
    found: np.ndarray = torch.cat(pieces).double().numpy()
    return found
