"""Training of an epinet on the features of a frozen network."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sparsight.errors import InputError
from sparsight.network import Epinet
from sparsight.streams import generator


@dataclass(frozen=True, kw_only=True)
class EpinetTraining:
    """How an epinet is trained.

    Attributes
    ----------
    steps, batch_size : int
        At least 0 and 1.
    num_indices : int
        Indices z of each step, over which the loss is averaged; at least 1.
    learning_rate : float
        Adam's.
    weight_decay : float
        L2 penalty on the learned network, as the gradient's summand.
    """

    steps: int = 300
    batch_size: int = 128
    num_indices: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4


def train_epinet_(
    epinet: Epinet,
    features: Tensor,
    logits: Tensor,
    labels: Tensor,
    training: EpinetTraining | None = None,
    *,
    seed: int = 0,
) -> Epinet:
    """Train the learned part of an epinet: mean cross entropy of f(x, z) over samples and indices.

    Parameters
    ----------
    epinet : Epinet
        Changed in place and returned.
    features, logits : Tensor of float32, (n, num_features) and (n, class)
        φ(x) and μ(x) of the frozen network on training samples.
    labels : Tensor of int64, (n,)
        Classes.
    training : EpinetTraining, optional
        Default: `EpinetTraining()`.
    seed : int
        Seeds batches and indices, ``(seed, "epinet", step)``.

    Raises
    ------
    InputError
        If the tensors do not belong to the same samples, or a number is out of range.
    """
    training = training or EpinetTraining()
    for name, least in (("steps", 0), ("batch_size", 1), ("num_indices", 1)):
        if getattr(training, name) < least:
            raise InputError(f"{name} is {getattr(training, name)}; {least} or more is needed")
    if not len(features) == len(logits) == len(labels) > 0:
        raise InputError(
            f"features, logits and labels are of {len(features)}, {len(logits)} and {len(labels)} samples; "
            "the same, at least one, are needed"
        )
    optimizer = torch.optim.Adam(
        epinet.learned.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    for step in range(training.steps):
        stream = generator(seed, "epinet", step)
        rows = torch.from_numpy(stream.integers(len(labels), size=training.batch_size))
        index = torch.from_numpy(stream.normal(size=(training.num_indices, epinet.index_size))).float()
        found = epinet(features[rows], logits[rows], index)
        loss = cross_entropy(found.flatten(0, 1), labels[rows].repeat(training.num_indices))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return epinet
