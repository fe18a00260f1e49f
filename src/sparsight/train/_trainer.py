"""One training of one masked network."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.sparse import Batch, SparseSequential, Table, sparse_layers, threads_taken_from_torch
from sparsight.train._cuda_graph import Forward, check_device, recorded
from sparsight.train._settings import (
    Loss as Loss,
    TrainingSettings as TrainingSettings,
    learning_rate as learning_rate,
)

Masks = dict[str, Tensor]
"""Masks by parameter name (``linear_0.weight``): bool, shape of the parameter, True = kept."""

_EVALUATION_BATCH = 2048


@dataclass
class Curve:
    """What was seen along one training, a row an evaluation.

    Attributes
    ----------
    step : list of int
        Steps done.
    train_loss, test_loss, test_accuracy, learning_rate : list of float
        `train_loss` is the mean over the batches since the row before.
    """

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)

    def append(self, **row: float) -> None:
        """Add one row; every column is named."""
        for column, value in row.items():
            getattr(self, column).append(value)


def batch_loss(outputs: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Return the mean loss of a batch; outputs (n, classes), labels (n,)."""
    if loss == "cross_entropy":
        return functional.cross_entropy(outputs, labels)
    return functional.mse_loss(outputs, functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype))


@torch.no_grad()
def evaluate(
    network: nn.Module,
    task: Task,
    settings: TrainingSettings,
    device: torch.device,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> tuple[float, float]:
    """Return mean loss and accuracy on the whole test split, in evaluation mode.

    `forward` computes the network's outputs another way, if given.
    """
    was_training = network.training
    network.eval()
    total_loss, num_correct, num_samples = 0.0, 0, len(task.test_labels)
    for start in range(0, num_samples, _EVALUATION_BATCH):
        inputs, labels = task.samples("test", start, start + _EVALUATION_BATCH)
        outputs, labels = (forward or network)(inputs.to(device)), labels.to(device)
        total_loss += batch_loss(outputs, labels, settings.loss).item() * len(labels)
        num_correct += int((outputs.argmax(dim=1) == labels).sum())
    network.train(was_training)
    return total_loss / num_samples, num_correct / num_samples


class Trainer:
    """Training of one level, step by step.

    Weights outside the masks are exactly 0 before, during and after: their gradient is cleared before
    every step, so that neither momentum nor weight decay nor Adam's moments can move them. Layers that
    take the sparse step have gradients and moments for their kept weights only; they are in
    `network` whenever it is read from here, and once `run` has returned.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place. On `device` already.
    task : Task
    settings : TrainingSettings
    masks : dict of str to Tensor of bool
        By parameter name. What lies outside is set to 0 here.
    seed : int
        Of the batches: the batch of step t is ``task.batch(seed, t, batch_size)``.
    first_step : int
        Where in the schedule and the sequence of batches this training starts (rewinding to step K
        starts at K).
    layers_on_kept_weights : collection of str, optional
        The layers that take the sparse step. Default: what ``settings.kernel`` says, with the
        fixed crossover.
    cuda_graph : bool
        Whether forward and backward pass are recorded once and replayed, see `sparsight.train._cuda_graph`.
        Where a layer takes the sparse step they are not.

    Raises
    ------
    InputError
        If a setting is for another device, or for another optimizer.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        settings: TrainingSettings,
        masks: Mapping[str, Tensor],
        seed: int,
        *,
        first_step: int = 0,
        layers_on_kept_weights: Collection[str] | None = None,
        cuda_graph: bool = False,
    ) -> None:
        self._network = network
        self._is_network_behind = False
        self.task = task
        self.settings = settings
        self.seed = seed
        self.step = first_step
        self.num_steps = settings.num_steps(len(task.train_labels))
        self.curve = Curve()
        self.device = next(network.parameters()).device
        self._dtype = next(network.parameters()).dtype
        self._held_rate: float | None = None
        self._losses: list[Tensor] = []
        self.cuda_graph = cuda_graph
        self._recorded: Forward | None = None
        self._first_step = first_step
        if settings.precision == "tf32" and self.device.type != "cuda":
            raise InputError("training.precision is 'tf32', which is for device = 'cuda'; choose 'float32'")
        if cuda_graph:
            check_device(self.device)
        if layers_on_kept_weights is None:
            layers_on_kept_weights = sparse_layers(network, masks, settings.effective_kernel)
        self.layers_on_kept_weights = sorted(layers_on_kept_weights)
        self.kept = self._clear_outside(masks)
        self._sparse: SparseSequential | None = None
        if layers_on_kept_weights:
            self._sparse = SparseSequential(cast(nn.Sequential, network), masks, layers_on_kept_weights)
        self._table = _table(task, self.device)
        self.optimizer = make_optimizer((self._sparse or network).parameters(), settings)

    def _clear_outside(self, masks: Mapping[str, Tensor]) -> dict[str, tuple[nn.Parameter, Tensor]]:
        """Clear weights outside the masks; return parameters whose gradients need the same, with masks."""
        masked = {}
        for name, mask in masks.items():
            if not mask.all():
                parameter = self._network.get_parameter(name)
                parameter.data.masked_fill_(~mask.to(self.device), 0.0)
                if name.removesuffix(".weight") not in self.layers_on_kept_weights:
                    masked[name] = (parameter, mask.to(self.device, parameter.dtype))
        return masked

    def run(self, until: int | None = None, on_step: Callable[["Trainer"], None] | None = None) -> None:
        """Train up to step `until` (default: to the end), calling `on_step` after every step.

        Raises
        ------
        DivergenceError
            If the loss is NaN or infinite; the message names step, learning rate and mend.
        """
        until = self.num_steps if until is None else until
        self._network.train()
        self._recorded = None  # weights may lie elsewhere than at the last run
        try:
            self._run(until, on_step)
        finally:
            self._bring_network_up()

    @property
    def network(self) -> nn.Module:
        """The network that is trained, with the weights of this step."""
        self._bring_network_up()
        return self._network

    def _bring_network_up(self) -> None:
        """Put kept weights back into the network: not at every step, for they lie scattered over memory."""
        if self._sparse is not None and self._is_network_behind:
            self._sparse.write_back()
        self._is_network_behind = False

    def _run(self, until: int, on_step: Callable[["Trainer"], None] | None) -> None:
        while self.step < until:
            with tf32_if(self.settings.precision == "tf32"), self._threads():
                self._take_step()
            self.evaluate_if_due()
            if on_step is not None:
                on_step(self)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the rest of the training depends on.

        Returns
        -------
        tensors : dict of str to Tensor
            On the CPU: ``network/…``, ``optimizer/<parameter>/<name>``, and ``losses`` since the last
            evaluation.
        facts : dict
            Plain values: ``step``, ``curve`` and ``layers_on_kept_weights``.
        """
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        for index, entries in self.optimizer.state_dict()["state"].items():
            for name, value in entries.items():
                if value is not None:
                    tensors[f"optimizer/{index}/{name}"] = torch.as_tensor(value)
        tensors["losses"] = torch.stack(self._losses) if self._losses else torch.zeros(0)
        copied = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        facts = {"step": self.step, "curve": asdict(self.curve)}
        return copied, facts | {"layers_on_kept_weights": self.layers_on_kept_weights}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, for the same network, task, settings, masks, seed and layers."""
        network, moments = {}, dict[int, dict[str, Tensor]]()
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "network":
                network[name] = value
            elif kind == "optimizer":
                index, _, entry = name.partition("/")
                moments.setdefault(int(index), {})[entry] = value
        self._network.load_state_dict(network)
        self._is_network_behind = False
        if self._sparse is not None:
            self._sparse.read()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._losses = list(tensors["losses"].to(self.device))
        self.step = int(facts["step"])
        self.curve = Curve(**facts["curve"])

    def hold_final_rate(self) -> None:
        """Train at the schedule's last learning rate throughout (fine-tuning)."""
        self._held_rate = learning_rate(self.settings, self.num_steps - 1, self.num_steps)

    def current_rate(self) -> float:
        """Return the learning rate of the step that comes next."""
        if self._held_rate is not None:
            return self._held_rate
        return learning_rate(self.settings, self.step, self.num_steps)

    def start_step(self) -> None:
        """Set the learning rate of the step that comes next."""
        rate = self.current_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def divergence(self, loss: float) -> DivergenceError:
        """Return the error that says that this step's loss is not finite."""
        return DivergenceError(
            f"the loss became {loss} at step {self.step} with learning rate {self.current_rate():g}: "
            "lower training.learning_rate or lengthen training.warmup_steps"
        )

    def end_step(self, loss: Tensor) -> None:
        """Count a step that was taken, and keep its loss, a scalar, for the curve."""
        self._losses.append(loss.detach())
        self.step += 1

    def _take_step(self) -> None:
        self.start_step()
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.settings, cuda_graph=self.cuda_graph):
            outputs, labels = self._outputs_of_batch()
        loss = batch_loss(outputs.to(self._dtype), labels, self.settings.loss)
        if not torch.isfinite(loss):
            raise self.divergence(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, kept in self.kept.values():
            if parameter.grad is not None:
                parameter.grad.mul_(kept)
        self.optimizer.step()
        self._is_network_behind = self._sparse is not None
        self.end_step(loss)

    def _threads(self) -> AbstractContextManager[None]:
        takes_all = self._sparse is not None and self._sparse.takes_all_products
        return threads_taken_from_torch() if takes_all else nullcontext()

    def _outputs_of_batch(self) -> tuple[Tensor, Tensor]:
        """Return outputs and labels of the batch that is due."""
        if self._sparse is not None and self._table is not None:
            rows = self.task.batch_rows(self.seed, self.step, self.settings.batch_size)
            labels = torch.from_numpy(self.task.train_labels[rows])
            return self._sparse.of_batch(Batch(self._table, rows)), labels
        inputs, labels = self.task.batch(self.seed, self.step, self.settings.batch_size)
        return self._forward(inputs.to(self.device)), labels.to(self.device)

    def _forward(self, inputs: Tensor) -> Tensor:
        if self._sparse is not None or not self.cuda_graph:
            return cast(Tensor, (self._sparse or self._network)(inputs))
        if self._recorded is None:
            self._recorded = recorded(self._network, inputs)
        return self._recorded(inputs)

    def _is_evaluation_due(self) -> bool:
        done, total = self.step - self._first_step, self.num_steps - self._first_step
        evaluations = self.settings.evaluations
        return done * evaluations // total > (done - 1) * evaluations // total

    def evaluate_if_due(self) -> None:
        """Add a row to the curve if the step just taken is one after which the recipe asks for it.

        Raises
        ------
        DivergenceError
            If the test loss is NaN or infinite.
        """
        if not self._is_evaluation_due():
            return
        test_loss, test_accuracy = evaluate(
            self._network, self.task, self.settings, self.device, self._sparse
        )
        rate = self.optimizer.param_groups[0]["lr"]
        if not math.isfinite(test_loss):  # the last step of all would go unseen otherwise
            raise DivergenceError(
                f"the test loss became {test_loss} after step {self.step - 1} with learning rate {rate:g}: "
                "lower training.learning_rate or lengthen training.warmup_steps"
            )
        self.curve.append(
            step=self.step,
            train_loss=float(torch.stack(self._losses).mean()),
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            learning_rate=rate,
        )
        self._losses.clear()


def autocast(device: torch.device, settings: TrainingSettings, *, cuda_graph: bool) -> torch.autocast:
    """Return the context in which outputs are computed in the precision of the settings.

    A recorded pass holds its own casts, and must not find some in autocast's cache.
    """
    is_on = settings.precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_on, cache_enabled=not cuda_graph)


@contextmanager
def tf32_if(is_allowed: bool) -> Iterator[None]:
    """Let matrix products on a GPU take TF32 inside the block, or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _table(task: Task, device: torch.device) -> Table | None:
    """Return the training inputs, if batches can be read off them as they are."""
    if device.type != "cpu" or not isinstance(task, Task) or task.draw is not None:
        return None
    if not task.train_inputs.flags.c_contiguous:
        return None
    numbers = task.train_inputs.view(np.ndarray).reshape(len(task.train_inputs), -1)
    if task.channel_mean is None or task.channel_sd is None:
        return Table(numbers)
    num_pixels = math.prod(task.geometry.size)
    per_channel = (task.channel_mean, task.channel_sd)
    return Table(numbers, *(np.repeat(values.astype(np.float64), num_pixels) for values in per_channel))


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return a fresh optimizer as the settings name it.

    Raises
    ------
    InputError
        If momentum is given to another than ``sgd``.
    """
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=settings.nesterov, **common)
    if settings.momentum:
        raise InputError("training.momentum is for optimizer = 'sgd'; remove it or change the optimizer")
    optimizer = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return optimizer(parameters, **common)
