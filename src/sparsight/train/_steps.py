"""The three ways in which a training step gets the outputs of its batch.

`DenseStep` calls the network, `RecordedStep` replays a CUDA graph of it, `SparseStep` multiplies kept weights
only. `sparsight.train.Trainer` knows what they have in common and does everything else: learning rate, loss,
masked gradients, optimizer, evaluations, state.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.sparse import Batch, SparseSequential, Table, threads_taken_from_torch
from sparsight.train._cuda_graph import Forward, recorded
from sparsight.train._device_batches import batch_on


class DenseStep:
    """Outputs from the network's own modules; pruned weights are multiplied as zeros."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def parameters(self) -> list[nn.Parameter]:
        """Return the tensors that the optimizer moves, in the order of the network's parameters."""
        return list(self.network.parameters())

    def prepare(self) -> None:
        """Get ready for a run of steps. The weights may have moved in memory since the last one."""

    def threads(self) -> AbstractContextManager[None]:
        """Return the context in which a step is taken: who gets the processor's cores."""
        return nullcontext()

    def outputs_of_batch(self, task: Task, seed: int, step: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return outputs, (n, classes), and labels, (n,), of the batch of a step."""
        device = next(self.network.parameters()).device
        inputs, labels = batch_on(device, task, seed, step, batch_size)
        return self.training_outputs(inputs), labels

    def training_outputs(self, inputs: Tensor) -> Tensor:
        """Return the outputs for a batch, through which gradients flow to the parameters."""
        return self.outputs(inputs)

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the outputs for any inputs, (n, num_inputs), in the network's present mode."""
        return cast(Tensor, self.network(inputs))

    def parameters_moved(self) -> None:
        """Take note that the optimizer has changed what `parameters` returned."""

    def update_network(self) -> None:
        """Bring the network's weights up to date with the parameters."""

    def network_loaded(self) -> None:
        """Take note that the network's weights were set from outside."""

    def change_masks_(self, masks: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Prune and grow what is multiplied as kept weights only."""


class RecordedStep(DenseStep):
    """Outputs from a CUDA graph of the network, recorded at the first batch of every run."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self._recorded: Forward | None = None

    def prepare(self) -> None:
        """Forget the recording: it reads the weights at the addresses of the run before."""
        self._recorded = None

    def training_outputs(self, inputs: Tensor) -> Tensor:
        """Replay the recording, made now if there is none."""
        if self._recorded is None:
            self._recorded = recorded(self.network, inputs)
        return self._recorded(inputs)


class SparseStep(DenseStep):
    """Outputs from products with kept weights; gradients and optimizer state exist for these only.

    The task's training inputs are read in place, without copying batches, if they are in memory on the CPU.
    """

    def __init__(
        self, network: nn.Module, masks: Mapping[str, Tensor], layers: Collection[str], task: Task
    ) -> None:
        super().__init__(network)
        self._sparse = SparseSequential(cast(nn.Sequential, network), masks, layers)
        self._table = _table(task) if self._sparse.device.type == "cpu" else None
        self._is_network_behind = False

    def parameters(self) -> list[nn.Parameter]:
        """Return the kept weights of sparse layers and the other parameters, in the network's order."""
        return self._sparse.parameters()

    def threads(self) -> AbstractContextManager[None]:
        """Give torch one thread while no product is left to it, and ours the others."""
        return threads_taken_from_torch() if self._sparse.takes_all_products else nullcontext()

    def outputs_of_batch(self, task: Task, seed: int, step: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return outputs and labels of the batch of a step, read from the table where there is one."""
        if self._table is None:
            return super().outputs_of_batch(task, seed, step, batch_size)
        rows = task.batch_rows(seed, step, batch_size)
        labels = torch.from_numpy(task.train_labels[rows])
        return self._sparse.of_batch(Batch(self._table, rows)), labels

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the outputs for any inputs, from products with kept weights."""
        return self._sparse(inputs)

    def parameters_moved(self) -> None:
        """Take note that the network lacks the newest weights.

        They are not written back at every step, because they are scattered over the dense weights' memory.
        """
        self._is_network_behind = True

    def update_network(self) -> None:
        """Write kept weights back into the network, if they have changed."""
        if self._is_network_behind:
            self._sparse.write_back()
        self._is_network_behind = False

    def network_loaded(self) -> None:
        """Take the kept weights from the network."""
        self._is_network_behind = False
        self._sparse.read()

    def change_masks_(self, masks: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Prune and grow kept weights; the network has those of before."""
        self.update_network()
        self._sparse.change_masks_(masks, optimizer)


def _table(task: Task) -> Table | None:
    """Return the training inputs, if batches are rows of them as they are in memory."""
    if task.draw is not None or not task.train_inputs.flags.c_contiguous:
        return None
    numbers = task.train_inputs.view(np.ndarray).reshape(len(task.train_inputs), -1)
    if task.channel_mean is None or task.channel_sd is None:
        return Table(numbers)
    num_pixels = math.prod(task.geometry.size)
    per_channel = (task.channel_mean, task.channel_sd)
    return Table(numbers, *(np.repeat(values.astype(np.float64), num_pixels) for values in per_channel))
