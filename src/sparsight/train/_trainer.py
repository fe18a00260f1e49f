"""The training of one masked network, step by step."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.network import may_draw
from sparsight.sparse import sparse_layers
from sparsight.streams import torch_draws
from sparsight.train._cuda_graph import check_device
from sparsight.train._dense_gradients import dense_gradients
from sparsight.train._device_batches import batch_on
from sparsight.train._evaluation import Curve, batch_loss, evaluate
from sparsight.train._optimizer import make_optimizer
from sparsight.train._precision import autocast, tf32_if
from sparsight.train._settings import TrainingSettings, learning_rate
from sparsight.train._steps import DenseStep, RecordedStep, SparseStep

_STEPS_BETWEEN_CHECKS = 64
"""How often losses on a GPU are looked at."""

Masks = dict[str, Tensor]
"""Masks by parameter name (``linear_0.weight``): bool, shape of the parameter, True = kept."""


def sees_losses_at_once(device: torch.device) -> bool:
    """Return whether a loss is looked at in its own step: on a GPU that would make every step wait."""
    return device.type == "cpu"


class MaskUpdate(Protocol):
    """What changes masks within a training, between two steps."""

    def is_due(self, trainer: "Trainer") -> bool:
        """Return whether masks change before the trainer's next step."""
        ...

    def new_masks(self, trainer: "Trainer") -> Masks:
        """Return the masks of the next step, by the names of ``trainer.masks``, on the CPU."""
        ...


class Trainer:
    """The training of one level, step by step.

    Weights outside the masks are exactly 0 before, during and after: their gradient is set to 0 before every
    optimizer step, so that momentum, weight decay and Adam's moments cannot move them (see "Masks are kept by
    parameter name, and gradients are cleared outside them" in docs/decisions.md). Layers that take the sparse
    step have gradients and moments for their kept weights only; `network` holds their weights whenever it is
    read from here, and after `run` has returned.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place, on the device where it is.
    masks : dict of str to Tensor of bool
        By parameter name. Weights outside are set to 0 here.
    seed : int
        Seeds the batches: that of step t is ``task.batch(seed, t, batch_size)``. It also seeds what modules
        draw in step t, such as dropout.
    first_step : int
        The step of schedule and batches at which this training starts. Rewinding to step K starts at K.
    stretch : int
        How many times as long as the settings say this training is: after K = `first_step` it takes
        `stretch` · (T − K) steps. Batches go on with the step. The learning rates are those of the settings,
        each held `stretch` times as long: at step t that of step K + ⌊(t − K) / `stretch`⌋.
    layers_on_kept_weights : collection of str, optional
        The layers that take the sparse step. Default: those that ``settings.kernel`` asks for, with the fixed
        crossover.
    cuda_graph : bool
        Whether forward and backward pass are recorded once and replayed, see `sparsight.train._cuda_graph`.
        Ignored if a layer takes the sparse step.
    mask_update : MaskUpdate, optional
        Changes the masks between steps. A weight that it prunes is 0 from then on; one that it grows begins
        with 0, as does the optimizer's state of it. Default: `masks` stay.

    Attributes
    ----------
    masks : dict of str to Tensor of bool
        The present masks, on the CPU.

    Raises
    ------
    InputError
        If a setting is for another device or another optimizer.
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
        stretch: int = 1,
        layers_on_kept_weights: Collection[str] | None = None,
        cuda_graph: bool = False,
        mask_update: MaskUpdate | None = None,
    ) -> None:
        self._network = network
        self.masks: Masks = {name: mask.cpu() for name, mask in masks.items()}
        self._mask_update = mask_update
        self.task = task
        self.settings = settings
        self.seed = seed
        self.step = first_step
        self._num_rates = settings.num_steps(len(task.train_labels))
        self.num_steps = first_step + stretch * (self._num_rates - first_step)
        self.curve = Curve()
        self.device = next(network.parameters()).device
        self._dtype = next(network.parameters()).dtype
        self._may_draw = may_draw(network)
        self.sees_losses_at_once = sees_losses_at_once(self.device)
        self._held_rate: float | None = None
        self._losses: list[Tensor] = []
        self.cuda_graph = cuda_graph
        self._first_step, self._stretch = first_step, stretch
        if settings.precision == "tf32" and self.device.type != "cuda":
            raise InputError("training.precision is 'tf32', which is for device = 'cuda'; choose 'float32'")
        if cuda_graph:
            check_device(self.device)
        if layers_on_kept_weights is None:
            layers_on_kept_weights = sparse_layers(network, masks, settings.effective_kernel)
        self.layers_on_kept_weights = sorted(layers_on_kept_weights)
        self.kept = self._clear_outside(masks)
        self._steps = self._strategy(masks)
        self.optimizer = make_optimizer(self._steps.parameters(), settings)

    def _clear_outside(self, masks: Mapping[str, Tensor]) -> dict[str, tuple[nn.Parameter, Tensor]]:
        """Set weights outside the masks to 0; return parameters whose gradients need it too, with masks."""
        masked = {}
        for name, mask in masks.items():
            if not mask.all():
                parameter = self._network.get_parameter(name)
                parameter.data.masked_fill_(~mask.to(self.device), 0.0)
                if name.removesuffix(".weight") not in self.layers_on_kept_weights:
                    masked[name] = (parameter, mask.to(self.device, parameter.dtype))
        return masked

    def _strategy(self, masks: Mapping[str, Tensor]) -> DenseStep:
        if self.layers_on_kept_weights:
            return SparseStep(self._network, masks, self.layers_on_kept_weights, self.task)
        return RecordedStep(self._network) if self.cuda_graph else DenseStep(self._network)

    def run(self, until: int | None = None, on_step: Callable[["Trainer"], None] | None = None) -> None:
        """Train up to step `until` (default: to the end), calling `on_step` after every step.

        A training without steps evaluates the network as it is, and calls `on_step` once.

        Raises
        ------
        DivergenceError
            If the loss is NaN or infinite. The message names the step, the learning rate and a remedy.
        """
        until = self.num_steps if until is None else until
        self._network.train()
        self._steps.prepare()
        try:
            while self.step < until:
                with tf32_if(self.settings.precision == "tf32"), self._steps.threads():
                    self._take_step()
                self.evaluate_if_due()
                if on_step is not None:
                    on_step(self)
            if self.evaluate_untrained() and on_step is not None:
                on_step(self)
        finally:
            self._steps.update_network()

    @property
    def network(self) -> nn.Module:
        """The trained network, with the weights of the present step."""
        self._steps.update_network()
        return self._network

    @property
    def length(self) -> int:
        """Steps of this training, from its start to its end."""
        return self.num_steps - self._first_step

    @property
    def num_taken(self) -> int:
        """Steps taken since the start of this training."""
        return self.step - self._first_step

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return everything that the rest of the training depends on.

        Returns
        -------
        tensors : dict of str to Tensor
            On the CPU: ``network/…``, ``optimizer/<parameter>/<name>``, ``losses`` since the last
            evaluation, and ``masks/<parameter>`` if they can change within this training.
        facts : dict
            Plain values: ``step``, ``curve`` and ``layers_on_kept_weights``.
        """
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        for index, entries in self.optimizer.state_dict()["state"].items():
            for name, value in entries.items():
                if value is not None:
                    tensors[f"optimizer/{index}/{name}"] = torch.as_tensor(value)
        tensors["losses"] = torch.stack(self._losses) if self._losses else torch.zeros(0)
        if self._mask_update is not None:
            tensors |= {f"masks/{name}": mask for name, mask in self.masks.items()}
        copied = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        facts = {"step": self.step, "curve": asdict(self.curve)}
        return copied, facts | {"layers_on_kept_weights": self.layers_on_kept_weights}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Continue from a `state` of the same network, task, settings, masks, seed and layers."""
        network, masks, moments = {}, {}, dict[int, dict[str, Tensor]]()
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "network":
                network[name] = value
            elif kind == "masks":
                masks[name] = value
            elif kind == "optimizer":
                index, _, entry = name.partition("/")
                moments.setdefault(int(index), {})[entry] = value
        if masks:
            self._change_masks(masks)
        self._network.load_state_dict(network)
        self._steps.network_loaded()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._losses = list(tensors["losses"].to(self.device))
        self.step = int(facts["step"])
        self.curve = Curve(**facts["curve"])

    def hold_final_rate(self) -> None:
        """Train at the schedule's last learning rate throughout (fine-tuning)."""
        self._held_rate = learning_rate(self.settings, self._num_rates - 1, self._num_rates)

    def current_rate(self) -> float:
        """Return the learning rate of the next step."""
        if self._held_rate is not None:
            return self._held_rate
        step = self._first_step + (self.step - self._first_step) // self._stretch
        return learning_rate(self.settings, step, self._num_rates)

    def start_step(self) -> None:
        """Set the learning rate of the next step."""
        rate = self.current_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def divergence(self, loss: float) -> DivergenceError:
        """Return the error that reports a loss of this step that is not finite."""
        return DivergenceError(
            f"the loss became {loss} at step {self.step} with learning rate {self.current_rate():g}: "
            "lower training.learning_rate or lengthen training.warmup_steps"
        )

    def check_losses(self) -> None:
        """Raise what a loss since the last evaluation would have raised, had it been looked at in its step.

        Looking at a number on a GPU waits for all that was asked of the GPU before, so losses there are not
        looked at in every step.

        Raises
        ------
        DivergenceError
            If a loss is NaN or infinite.
        """
        if not self._losses:
            return
        losses = torch.stack(self._losses).cpu()
        wrong = (~torch.isfinite(losses)).nonzero()
        if len(wrong):
            first = int(wrong[0])
            self.step -= len(losses) - first
            raise self.divergence(float(losses[first]))

    def check_losses_if_due(self) -> None:
        """Call `check_losses` after every 64th step on a GPU."""
        if not self.sees_losses_at_once and self.num_taken % _STEPS_BETWEEN_CHECKS == 0:
            self.check_losses()

    def end_step(self, loss: Tensor) -> None:
        """Count a step that was taken, and keep its loss, a scalar, for the curve."""
        self._losses.append(loss.detach())
        self.step += 1

    def dense_gradients(self, names: Collection[str]) -> dict[str, Tensor]:
        """Return the gradients of the next step's loss by whole weights, pruned ones included.

        The network stays as it is: neither the running statistics of BatchNorm nor any gradient change.

        Raises
        ------
        DivergenceError
            If one is NaN or infinite.
        """
        inputs, labels = batch_on(self.device, self.task, self.seed, self.step, self.settings.batch_size)
        with self._draws("training"), autocast(self.device, self.settings, cuda_graph=self.cuda_graph):
            found = dense_gradients(self.network, names, inputs, labels, self.settings.loss)
        if not all(bool(torch.isfinite(each).all()) for each in found.values()):
            raise DivergenceError(
                f"a gradient became NaN or infinite at step {self.step} with learning rate "
                f"{self.current_rate():g}: lower training.learning_rate or lengthen training.warmup_steps"
            )
        return found

    @torch.no_grad()
    def _change_masks(self, masks: Masks) -> None:
        self._steps.change_masks_(masks, self.optimizer)
        self.kept = self._clear_outside(masks)
        for parameter, kept in self.kept.values():
            for entry in self.optimizer.state.get(parameter, {}).values():
                if isinstance(entry, Tensor) and entry.shape == parameter.shape:
                    entry.masked_fill_(kept == 0, 0.0)
        self.masks = masks

    def _take_step(self) -> None:
        if self._mask_update is not None and self._mask_update.is_due(self):
            self._change_masks(self._mask_update.new_masks(self))
        self.start_step()
        self.optimizer.zero_grad(set_to_none=True)
        with self._draws("training"), autocast(self.device, self.settings, cuda_graph=self.cuda_graph):
            outputs, labels = self._steps.outputs_of_batch(
                self.task, self.seed, self.step, self.settings.batch_size
            )
        loss = batch_loss(outputs.to(self._dtype), labels, self.settings.loss)
        if self.sees_losses_at_once and not math.isfinite(number := loss.item()):
            raise self.divergence(number)
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, kept in self.kept.values():
            if parameter.grad is not None:
                parameter.grad.mul_(kept)
        self.optimizer.step()
        self._steps.parameters_moved()
        self.end_step(loss)
        self.check_losses_if_due()

    def _draws(self, purpose: str) -> AbstractContextManager[None]:
        """Return the context in which modules draw numbers that depend on seed and step alone."""
        return torch_draws(self.device, self.seed, purpose, self.step) if self._may_draw else nullcontext()

    def evaluate_if_due(self) -> None:
        """Add a row to the curve if an evaluation follows the step just taken.

        Raises
        ------
        DivergenceError
            If the test loss is NaN or infinite.
        """
        # Evaluation i comes after step ⌈i · total / evaluations⌉: a step at which the count of those due
        # rises.
        done, total = self.num_taken, self.length
        evaluations = self.settings.evaluations
        if done * evaluations // total == (done - 1) * evaluations // total:
            return
        if not self.sees_losses_at_once:
            self.check_losses()
        with self._draws("evaluation"):
            test_loss, test_accuracy = evaluate(
                self._network, self.task, self.settings.loss, self._steps.outputs
            )
        rate = self.optimizer.param_groups[0]["lr"]
        # A loss is checked before its step; only this check sees that the very last step diverged.
        if not math.isfinite(test_loss):
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

    @torch.no_grad()
    def evaluate_untrained(self) -> bool:
        """Add the one row of a training without steps; return whether this call added it.

        Raises
        ------
        DivergenceError
            If a loss is NaN or infinite.
        """
        if self.num_steps or self.curve.step:
            return False
        inputs, labels = self.task.batch(self.seed, 0, self.settings.batch_size)
        # In evaluation mode: in training mode BatchNorm would move its running statistics.
        self._network.eval()
        with self._draws("evaluation"):
            outputs = self._steps.outputs(inputs.to(self.device))
            train_loss = batch_loss(outputs, labels.to(self.device), self.settings.loss).item()
            test_loss, test_accuracy = evaluate(
                self._network, self.task, self.settings.loss, self._steps.outputs
            )
        if not math.isfinite(train_loss) or not math.isfinite(test_loss):
            raise DivergenceError(
                f"the untrained network has the loss {train_loss} on a batch and {test_loss} on the test "
                "split: lower network.init_std or choose another network.init"
            )
        self.curve.append(
            step=0,
            train_loss=train_loss,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            learning_rate=self.optimizer.param_groups[0]["lr"],
        )
        return True
