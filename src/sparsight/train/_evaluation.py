"""Loss and accuracy: of a batch, of the test split, and along a training."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.data import Task
from sparsight.train._device_batches import samples_on
from sparsight.train._settings import Loss

_EVALUATION_BATCH = 2048


@dataclass(kw_only=True)
class Curve:
    """The evaluations of one training, one row each.

    Attributes
    ----------
    step : list of int
        Steps taken so far.
    train_loss : list of float
        Mean over the batches since the previous row. In the one row of a training without steps: on the
        batch of step 0, in evaluation mode, as for the test losses.
    """

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)

    def append(self, **row: float) -> None:
        """Add one row; name every column."""
        for column, value in row.items():
            getattr(self, column).append(value)


def batch_loss(outputs: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Return the mean loss of a batch; outputs (n, classes), labels (n,)."""
    if loss == "cross_entropy":
        return functional.cross_entropy(outputs, labels)
    return functional.mse_loss(outputs, functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype))


@torch.no_grad()
def evaluate(
    network: nn.Module, task: Task, loss: Loss, forward: Callable[[Tensor], Tensor] | None = None
) -> tuple[float, float]:
    """Return mean loss and accuracy on the whole test split, in evaluation mode.

    `forward` is another way to compute the network's outputs from inputs.
    """
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    num_samples = len(task.test_labels)
    total_loss = torch.zeros((), dtype=torch.float64, device=device)
    num_correct = torch.zeros((), dtype=torch.int64, device=device)
    for start in range(0, num_samples, _EVALUATION_BATCH):
        inputs, labels = samples_on(device, task, "test", start, start + _EVALUATION_BATCH)
        outputs = (forward or network)(inputs)
        total_loss += batch_loss(outputs, labels, loss).double() * len(labels)
        num_correct += (outputs.argmax(dim=1) == labels).sum()
    network.train(was_training)
    return total_loss.item() / num_samples, num_correct.item() / num_samples
