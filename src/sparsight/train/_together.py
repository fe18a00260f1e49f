"""Several networks of one architecture trained in lockstep, as one program on stacked weights.

A small network leaves a GPU idle: its kernels take microseconds, and launching them takes longer. R
networks with weights stacked to (R, out, in) and batches to (R, n, in) need as many kernels as one. Each
network has its own data, masks, seed and state. The mathematics is that of training alone, the rounding
that of batched products. See "Replicates of one condition are trained as one program on stacked weights" in
docs/decisions.md.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from sparsight.errors import DivergenceError
from sparsight.train._cuda_graph import Forward, recorded
from sparsight.train._device_batches import batch_on
from sparsight.train._evaluation import batch_loss
from sparsight.train._optimizer import make_optimizer
from sparsight.train._precision import autocast, tf32_if
from sparsight.train._trainer import Trainer

# A task remembers the orders of two epochs only. Networks that ask by turns, each with its own seed, would
# draw a permutation for every batch; asking for the rows of 64 batches at once draws one for all of them.
_STEPS_AHEAD = 64


def train_together(
    trainers: Mapping[int, Trainer],
    until: int | None = None,
    on_step: Callable[[list[int]], None] | None = None,
    *,
    num_slots: int | None = None,
) -> dict[int, DivergenceError]:
    """Train several networks up to a step, as ``trainer.run(until)`` does with each.

    Networks that are behind catch up first; all take their common steps together. A network whose loss
    diverges stays where it is, and the others continue.

    Parameters
    ----------
    trainers : mapping of int to Trainer
        By slot. Their networks have the same modules and shapes, the same settings and one device, and no
        layer takes the sparse step. They change as if trained alone.
    until : int, optional
        Default: the end of the training.
    on_step : callable, optional
        Called after every step with the slots of the trainers that took it.
    num_slots : int, optional
        Number of networks in the stack; an empty slot holds a copy of another network. The rounding of a
        batched product depends on the number of matrices and on their places in memory, so a training that
        resumes with the same slots is bit-identical to one that never stopped. Default: up to the last slot
        that is taken.

    Returns
    -------
    dict of int to DivergenceError
        The error that training alone would have raised, by slot.
    """
    failed = _evaluate_untrained(trainers, on_step)
    num_slots = num_slots or max(trainers, default=0) + 1
    while True:
        steps = {
            slot: trainer.step
            for slot, trainer in trainers.items()
            if slot not in failed and trainer.step < (trainer.num_steps if until is None else until)
        }
        if not steps:
            return failed
        first = min(steps.values())
        group = {slot: trainers[slot] for slot, step in steps.items() if step == first}
        goal = min((step for step in steps.values() if step > first), default=until)
        with _stacked(group, num_slots) as stack:
            while not stack.failed and not stack.is_at(goal):
                stack.take_step()
                if on_step is not None:
                    on_step([slot for slot in group if slot not in stack.failed])
        failed |= stack.failed


def _evaluate_untrained(
    trainers: Mapping[int, Trainer], on_step: Callable[[list[int]], None] | None
) -> dict[int, DivergenceError]:
    """Do for trainings without steps what ``trainer.run`` does, each network on its own."""
    failed, evaluated = {}, []
    for slot, trainer in trainers.items():
        try:
            if trainer.evaluate_untrained():
                evaluated.append(slot)
        except DivergenceError as error:
            failed[slot] = error
    if evaluated and on_step is not None:
        on_step(evaluated)
    return failed


class StackedNetworks(nn.Module):
    """R networks of one architecture, copied into one module: inputs (R, n, in), outputs (R, n, out)."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(networks))
        self.stacked = nn.ParameterDict({_key(name): value for name, value in parameters.items()})
        self._names = {"parameters": list(parameters), "buffers": list(buffers)}
        for name, value in buffers.items():
            self.register_buffer(_key(name), value)
        # It provides the code of `forward` only; on "meta" its parameters have shapes and no values. The
        # tuple hides it from torch, which would register it as a submodule and its parameters as ours.
        self._architecture = (copy.deepcopy(networks[0]).to("meta").train(),)

    def parameters_by_name(self) -> dict[str, nn.Parameter]:
        """Return the stacked parameters, (R, *shape), by the names they have in one network."""
        return {name: cast(nn.Parameter, self.stacked[_key(name)]) for name in self._names["parameters"]}

    def buffers_by_name(self) -> dict[str, Tensor]:
        """Return the stacked buffers, (R, *shape), by the names they have in one network."""
        return {name: self.get_buffer(_key(name)) for name in self._names["buffers"]}

    def forward(self, inputs: Tensor) -> Tensor:
        """Return each network's outputs on its own inputs; running statistics are updated."""
        outputs: Tensor = vmap(self._outputs_of_one)(
            self.parameters_by_name(), self.buffers_by_name(), inputs
        )
        return outputs  # (R, n, out)

    def _outputs_of_one(
        self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], inputs: Tensor
    ) -> Tensor:
        outputs: Tensor = functional_call(self._architecture[0], {**parameters, **buffers}, (inputs,))
        return outputs


class _Stack:
    """Trainers at the same step, with their states stacked.

    While the stack exists, the trainers' own networks and moments are views of it, so that evaluations,
    `on_step` and checkpoints see the present state without copying.
    """

    def __init__(self, trainers: Mapping[int, Trainer], num_slots: int) -> None:
        self.failed: dict[int, DivergenceError] = {}
        self._trainers = trainers
        self._first = first = next(iter(trainers.values()))
        self._slots = [trainers.get(slot, first) for slot in range(num_slots)]
        self._network = StackedNetworks([trainer.network.train() for trainer in self._slots])
        self._forward: Forward = self._network
        self._parameters = self._network.parameters_by_name()
        self._dtype = next(iter(self._parameters.values())).dtype
        self._losses = vmap(partial(batch_loss, loss=first.settings.loss))
        self._kept = self._stacked_masks()
        self._batches = {slot: _Batches(trainer) for slot, trainer in trainers.items()}
        self._optimizer = make_optimizer(self._parameters.values(), first.settings)
        self._stack_moments()
        for slot, trainer in trainers.items():
            _lay_into(trainer.network, self._views(slot))
        self._are_moments_shown = False

    def is_at(self, step: int | None) -> bool:
        """Return whether a step is reached; None is the end of the training."""
        return self._first.step >= (self._first.num_steps if step is None else step)

    def _stacked_masks(self) -> list[tuple[nn.Parameter, Tensor]]:
        names = {name: kept[1] for trainer in self._trainers.values() for name, kept in trainer.kept.items()}
        return [
            (
                self._parameters[name],
                torch.stack(
                    [
                        slot.kept[name][1] if name in slot.kept else torch.ones_like(mask)
                        for slot in self._slots
                    ]
                ),
            )
            for name, mask in names.items()
        ]

    def _stack_moments(self) -> None:
        of_slots = [_moments(slot) for slot in self._slots]
        for parameter, *moments in zip(self._parameters.values(), *of_slots, strict=True):
            for name, value in moments[0].items():
                stacked = value if name == "step" else torch.stack([each[name] for each in moments])
                self._optimizer.state[parameter][name] = stacked.clone()

    def _views(self, slot: int) -> dict[str, Tensor]:
        stacked = self._parameters | self._network.buffers_by_name()
        return {name: value.detach()[slot] for name, value in stacked.items()}

    def take_step(self) -> None:
        """Take the next step with every network."""
        for trainer in self._trainers.values():
            trainer.start_step()
        self._optimizer.param_groups[0]["lr"] = self._first.current_rate()
        self._optimizer.zero_grad(set_to_none=True)
        with tf32_if(self._first.settings.precision == "tf32"):
            losses = self._descend()
        for slot, trainer in self._trainers.items():
            if slot in self.failed:
                continue
            trainer.end_step(losses[slot])
            try:
                trainer.check_losses_if_due()
                trainer.evaluate_if_due()
            except DivergenceError as error:
                self.failed[slot] = error
        # The optimizer creates its moments in the first step and changes them in place afterwards.
        if not self._are_moments_shown:
            for slot in self._trainers:
                self._show_moments(slot)
            self._are_moments_shown = True

    def _descend(self) -> tuple[Tensor, ...]:
        inputs, labels = self._next_batches()
        first = self._first
        with autocast(first.device, first.settings, cuda_graph=first.cuda_graph):
            if first.cuda_graph and self._forward is self._network:
                self._forward = recorded(self._network, inputs)
            outputs = self._forward(inputs)
        losses = self._losses(outputs.to(self._dtype), labels)  # (R,)
        if first.sees_losses_at_once:
            self._note_divergence(losses.detach())
        # No parameter is shared, so each network gets the gradient of its own loss, and NaN stays in its
        # slot.
        losses.sum().backward()  # type: ignore[no-untyped-call]
        for parameter, kept in self._kept:
            if parameter.grad is not None:
                parameter.grad.mul_(kept)
        self._optimizer.step()
        return losses.detach().unbind()

    def _note_divergence(self, losses: Tensor) -> None:
        finite = losses.isfinite()
        if not finite.all():
            for slot, trainer in self._trainers.items():
                if not finite[slot]:
                    self.failed[slot] = trainer.divergence(losses[slot].item())

    def _next_batches(self) -> tuple[Tensor, Tensor]:
        batches = {slot: each.next() for slot, each in self._batches.items()}
        instead = next(iter(batches.values()))
        of_slots = [batches.get(slot, instead) for slot in range(len(self._slots))]
        inputs, labels = (torch.stack(parts) for parts in zip(*of_slots, strict=True))
        return inputs, labels  # (R, n, in), (R, n)

    def _show_moments(self, slot: int, *, copied: bool = False) -> None:
        trainer = self._trainers[slot]
        for parameter, stacked in zip(trainer.network.parameters(), self._parameters.values(), strict=True):
            for name, value in self._optimizer.state[stacked].items():
                of_one = value if name == "step" or value is None else value[slot]
                trainer.optimizer.state[parameter][name] = (
                    of_one.clone() if copied and value is not None else of_one
                )

    def dissolve(self) -> None:
        """Give every trainer memory of its own."""
        for slot, trainer in self._trainers.items():
            _lay_into(trainer.network, {name: view.clone() for name, view in self._views(slot).items()})
            self._show_moments(slot, copied=True)


@contextmanager
def _stacked(trainers: Mapping[int, Trainer], num_slots: int) -> Iterator[_Stack]:
    stack = _Stack(trainers, num_slots)
    try:
        yield stack
    finally:
        stack.dissolve()


class _Batches:
    """The batches of one trainer, starting at its present step."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._rows: list[np.ndarray] = []

    def next(self) -> tuple[Tensor, Tensor]:
        """Return the batch of the trainer's step: (n, in), (n,)."""
        trainer = self._trainer
        task, size = trainer.task, trainer.settings.batch_size
        if trainer.device.type != "cpu" or task.draw is not None:
            return batch_on(trainer.device, task, trainer.seed, trainer.step, size)
        if not self._rows:
            ahead = range(trainer.step, trainer.step + _STEPS_AHEAD)
            self._rows = [task.batch_rows(trainer.seed, step, size) for step in reversed(ahead)]
        rows = self._rows.pop()
        return torch.from_numpy(task.flat(task.train_inputs[rows])), torch.from_numpy(task.train_labels[rows])


def _key(name: str) -> str:
    return name.replace(".", "/")  # a module's parameters may not have a dot in their name


def _moments(trainer: Trainer) -> list[dict[str, Any]]:
    """Return the optimizer's state of each parameter; empty before the first step."""
    states = [trainer.optimizer.state.get(parameter, {}) for parameter in trainer.network.parameters()]
    return [{name: value for name, value in state.items() if value is not None} for state in states]


def _lay_into(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Make a network's parameters and buffers share the memory of the values."""
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        tensor.data = values[name]
