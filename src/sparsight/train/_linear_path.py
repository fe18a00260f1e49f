"""Linear mode connectivity: loss and accuracy on the straight line between the weights of two networks."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sparsight.arguments import described
from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.train._evaluation import evaluate
from sparsight.train._settings import Loss


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearPath:
    """Loss and accuracy on the test split, on the line (1 − α)·a + α·b between two networks a and b.

    Attributes
    ----------
    positions : numpy.ndarray of float64, (point,)
        α, evenly spaced from 0 (the network a) to 1 (the network b).
    loss : numpy.ndarray of float64, (point,)
        Mean test loss.
    accuracy : numpy.ndarray of float64, (point,)
        Share of test samples classified correctly.
    batch_norm_samples : int
        Training samples on which the statistics of every BatchNorm layer were computed again at each point;
        0 if the network has no such layer.
    """

    positions: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    batch_norm_samples: int

    @property
    def loss_barrier(self) -> float:
        """Largest loss on the line minus the mean loss of its two ends."""
        return _barrier(self.loss)

    @property
    def error_barrier(self) -> float:
        """Largest test error, 1 − accuracy, on the line minus the mean error of its two ends."""
        return _barrier(1 - self.accuracy)


def connect(
    a: nn.Module,
    b: nn.Module,
    task: Task,
    *,
    loss: Loss = "cross_entropy",
    num_points: int = 11,
    batch_norm_samples: int = 10_000,
) -> LinearPath:
    r"""Evaluate the networks on the straight line between two networks.

    The barrier is the linear interpolation instability of Frankle et al.,

    .. math:: \max_\alpha E((1 - \alpha) a + \alpha b) - \tfrac12 (E(a) + E(b)),

    with the test error or the test loss as E and the maximum over the points. It is at least half the
    difference of the two ends, and 0 if both are the same network.

    Running statistics of BatchNorm belong to no point between two networks. At every point, both ends
    included, those of each BatchNorm layer are therefore computed again, as the mean and variance of its
    inputs on training samples: those of ``task.batch(0, 0, batch_norm_samples)``.

    Parameters
    ----------
    a, b : torch.nn.Module
        Networks of one architecture that take flat inputs, as the `network` of every `Level` does. Both are
        left unchanged.
    task : Task
        Its test split is evaluated.
    loss : {"cross_entropy", "mse"}
        As in `TrainingSettings`.
    num_points : int
        Points on the line, both ends included; at least 2.
    batch_norm_samples : int
        At least 2; at most the number of training samples is used.

    Raises
    ------
    InputError
        If the two networks have different parameters, or an argument is out of range.

    Notes
    -----
    Frankle, Dziugaite, Roy & Carbin, arXiv 1912.05671, section 2.

    Examples
    --------
    >>> import torch, sparsight
    >>> recipe = sparsight.load_recipe("nlgp-1d", ["data.num_train=100", "data.num_test=100"])
    >>> task = recipe.condition("imp").data.build(seed=0)
    >>> network = torch.nn.Linear(task.geometry.num_inputs, 2)
    >>> sparsight.connect(network, network, task).loss_barrier
    0.0
    """
    if not isinstance(task, Task):
        raise InputError(f"task is {described(task)}; a sparsight.Task is needed")
    for name, number in (("num_points", num_points), ("batch_norm_samples", batch_norm_samples)):
        if number < 2:
            raise InputError(f"{name} is {number}; at least 2 is needed")
    between = copy.deepcopy(a)
    states = a.state_dict(), b.state_dict()
    _check_alike(*states)
    samples = _batch_norm_inputs(between, task, batch_norm_samples)
    positions = np.linspace(0.0, 1.0, num_points)
    rows = []
    for position in positions:
        between.load_state_dict(_point(*states, float(position)))
        if samples is not None:
            compute_batch_norm_again_(between, samples)
        rows.append(evaluate(between, task, loss))
    found = np.array(rows)
    return LinearPath(
        positions=positions,
        loss=found[:, 0],
        accuracy=found[:, 1],
        batch_norm_samples=0 if samples is None else len(samples),
    )


@torch.no_grad()
def compute_batch_norm_again_(network: nn.Module, inputs: Tensor) -> None:
    """Set the running statistics of every BatchNorm layer to those of its inputs on given samples.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place. All other modules are evaluated in evaluation mode.
    inputs : Tensor, (n, num_inputs)
        Passed as one batch, whose statistics normalise the inputs of deeper layers.
    """
    was_training, device = network.training, next(network.parameters()).device
    modes = {module: (module.training, module.momentum) for module in _batch_norms(network)}
    network.eval()
    for module in modes:
        module.train()
        module.momentum = 1.0  # forget what was there
    network(inputs.to(device))
    network.train(was_training)
    for module, (mode, momentum) in modes.items():
        module.train(mode)
        module.momentum = momentum


def _batch_norms(network: nn.Module) -> Iterator[_BatchNorm]:
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            yield module


def _batch_norm_inputs(network: nn.Module, task: Task, num_samples: int) -> Tensor | None:
    if next(_batch_norms(network), None) is None:
        return None
    inputs, _ = task.batch(0, 0, min(num_samples, len(task.train_labels)))
    return inputs


def _point(a: dict[str, Tensor], b: dict[str, Tensor], position: float) -> dict[str, Tensor]:
    # torch.lerp gives exactly the ends at 0 and 1, and exactly a everywhere if both are equal.
    return {
        name: torch.lerp(value, b[name].to(value.device), position) if value.is_floating_point() else value
        for name, value in a.items()
    }


def _check_alike(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    for name in [*a, *(name for name in b if name not in a)]:
        shapes = [tuple(state[name].shape) if name in state else "missing" for state in (a, b)]
        if shapes[0] != shapes[1] or a[name].dtype != b[name].dtype:
            raise InputError(
                f"a and b differ in {name} ({shapes[0]} in a, {shapes[1]} in b): only networks of one "
                "architecture lie on a line"
            )


def _barrier(values: np.ndarray) -> float:
    return float(values.max() - (values[0] + values[-1]) / 2)
