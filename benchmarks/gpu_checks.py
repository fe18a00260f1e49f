"""What must come out on a GPU: float64 results of the CPU, or the same bits.

Every check is a function of the device that returns the largest error and what is allowed. `benchmarks.gpu`
runs all of them before it times anything, and so do the tests marked ``gpu``. They also run on a CPU, which
is how they are tested where there is no GPU.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.measure import cavity, gaussianity, locality
from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.prune import Acceleration, Checkpoint, Level, Progress, PruningSettings, imp
from sparsight.sparse import SparseLinear
from sparsight.train import Masks, Trainer, TrainingSettings, train_together
from sparsight.train._device_batches import DeviceTask


@dataclass(frozen=True)
class Check:
    """The largest error found, and the largest allowed; 0 allowed means the same bits."""

    error: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the error is allowed; NaN is not."""
        return self.error <= self.allowed


CheckOnDevice = Callable[[torch.device], Check]


def bytes_task(num_train: int = 600, classes: int = 3) -> Task:
    """Return pictures of bytes, 3 × 8 × 8, with labels that depend on two patches."""
    stream = np.random.default_rng(0)
    inputs = stream.integers(0, 256, (num_train + 200, 3, 8, 8), dtype=np.uint8)
    sums = inputs[:, :, :3, :3].sum((1, 2, 3), dtype=np.int64) - inputs[:, :, 5:, 5:].sum(
        (1, 2, 3), dtype=np.int64
    )
    labels = np.digitize(sums, np.quantile(sums, np.arange(1, classes) / classes)).astype(np.int64)
    return Task(
        name="bytes",
        geometry=Geometry(3, (8, 8)),
        num_classes=classes,
        train_inputs=inputs[:num_train],
        train_labels=labels[:num_train],
        test_inputs=inputs[num_train:],
        test_labels=labels[num_train:],
        channel_mean=inputs.mean((0, 2, 3), dtype=np.float64).astype(np.float32),
        channel_sd=inputs.std((0, 2, 3), dtype=np.float64).astype(np.float32),
    )


def smooth_network(task: Task, seed: int = 0, batch_norm: str = "hidden") -> FullyConnected:
    """Return a tanh network: rounding alone cannot switch a unit, as it can behind a ReLU."""
    settings = NetworkSettings(widths=(48, 32), activation="tanh", batch_norm=batch_norm)
    network = FullyConnected(task.geometry.num_inputs, task.num_classes, settings)
    initialise_(network, "torch", seed)
    return network


def random_masks(network: nn.Module, density: float = 0.3, seed: int = 0) -> Masks:
    stream = torch.Generator().manual_seed(seed)
    return {
        f"linear_{index}.weight": torch.rand(
            network.get_parameter(f"linear_{index}.weight").shape, generator=stream
        )
        < density
        for index in range(2)
    }


_TRAINING = TrainingSettings(steps=60, batch_size=100, learning_rate=0.1, momentum=0.9, evaluations=2)


def batches(device: torch.device) -> Check:
    """Compare batches gathered on the device, and batches made ahead, with those of the task."""
    task = bytes_task()
    copies = [DeviceTask(task, device, free) for free in (2**30, 0)]
    pairs = itertools.product(copies, (0, 5, 6, 13, 2))
    differences = [
        _largest(mine.cpu() - true)
        for copy, step in pairs
        for mine, true in zip(copy.batch(1, step, 100), task.batch(1, step, 100), strict=True)
    ]
    return Check(max(differences), 0.0)


def training(device: torch.device) -> Check:
    """Compare weights after 60 masked steps with those of a plain loop in float64 on the CPU."""
    task = bytes_task()
    network = smooth_network(task)
    masks = random_masks(network)
    reference = _trained_in_float64(smooth_network(task), task, masks)
    trainer = Trainer(network.to(device), task, _TRAINING, masks, 0, layers_on_kept_weights=())
    trainer.run()
    return Check(_state_error(trainer.network, reference), 2e-4)


def training_on_kept_weights(device: torch.device) -> Check:
    """Compare the same training, with both masked layers on kept weights."""
    task = bytes_task()
    network = smooth_network(task)
    masks = random_masks(network)
    reference = _trained_in_float64(smooth_network(task), task, masks)
    layers = ("linear_0", "linear_1")
    trainer = Trainer(network.to(device), task, _TRAINING, masks, 0, layers_on_kept_weights=layers)
    trainer.run()
    outside = max(
        _largest(trainer.network.get_parameter(name)[~mask.to(device)]) for name, mask in masks.items()
    )
    return Check(max(_state_error(trainer.network, reference), outside), 2e-4)


def replicates_together(device: torch.device) -> Check:
    """Compare three replicates in lockstep with each of them in float64."""
    task = bytes_task()
    masks = [random_masks(smooth_network(task), seed=seed) for seed in range(3)]
    trainers = {
        seed: Trainer(
            smooth_network(task, seed).to(device),
            task,
            _TRAINING,
            masks[seed],
            seed,
            layers_on_kept_weights=(),
        )
        for seed in range(3)
    }
    failed = train_together(trainers)
    if failed:
        return Check(float("nan"), 2e-4)
    references = [
        _trained_in_float64(smooth_network(task, seed), task, masks[seed], seed) for seed in range(3)
    ]
    return Check(max(_state_error(trainers[seed].network, references[seed]) for seed in range(3)), 2e-4)


def cuda_graph(device: torch.device) -> Check:
    """Compare steps replayed from a CUDA graph with float64; on a CPU, which has none, the plain steps."""
    task = bytes_task()
    network = smooth_network(task)
    masks = random_masks(network)
    reference = _trained_in_float64(smooth_network(task), task, masks)
    options = {"layers_on_kept_weights": (), "cuda_graph": device.type == "cuda"}
    trainer = Trainer(network.to(device), task, _TRAINING, masks, 0, **options)
    trainer.run()
    return Check(_state_error(trainer.network, reference), 2e-4)


def masks_of_levels(device: torch.device) -> Check:
    """Look whether any weight that a level prunes is larger than one that it keeps, by numpy."""
    worst = 0.0
    for level in _levels(device):
        kept = np.concatenate(
            [
                np.abs(level.final[name].double().numpy())[mask.numpy()]
                for name, mask in sorted(level.masks.items())
            ]
        )
        next_kept = np.concatenate(
            [level.next_masks[name].numpy()[mask.numpy()] for name, mask in sorted(level.masks.items())]
        )
        number = int(next_kept.sum())
        # Every kept weight is at least as large as every pruned one.
        if 0 < number < len(kept):
            worst = max(worst, float(kept[~next_kept].max() - kept[next_kept].min()))
    return Check(worst, 0.0)


def resumed(device: torch.device) -> Check:
    """Compare levels after an interruption in the middle of one with levels without, bit by bit."""
    whole = list(_levels(device))
    kept: list[Checkpoint] = []

    def keep(progress: Progress) -> None:
        if progress.level == 1 and progress.trainer.num_taken == 23:
            tensors, facts = progress.trainer.state()
            kept.append(Checkpoint(1, tensors, facts, progress.rewind))

    first = next(iter(_levels(device)))
    list(itertools.islice(_levels(device, on_step=keep), 2))
    again = [first, *_levels(device, start=first, checkpoint=kept[0])]
    if len(again) != len(whole):
        return Check(float("nan"), 0.0)
    return Check(
        max(
            _largest(mine[name].double() - true[name].double())
            for one, other in zip(again, whole, strict=True)
            for mine, true in ((one.final, other.final), (one.next_masks, other.next_masks))
            for name in true
        ),
        0.0,
    )


def moments(device: torch.device) -> Check:
    """Compare kurtosis and skewness of pre-activations with those of scipy in float64."""
    values = np.random.default_rng(0).laplace(size=(5000, 40))
    found = gaussianity(torch.as_tensor(values, dtype=torch.float32, device=device))
    rounded = values.astype(np.float32).astype(np.float64)
    kurtosis, skewness = scipy.stats.kurtosis(rounded), scipy.stats.skew(rounded)
    return Check(max(_largest(found.excess_kurtosis - kurtosis), _largest(found.skewness - skewness)), 1e-9)


def cavity_of_weights(device: torch.device) -> Check:
    """Compare Δκ of every weight, in float32 on the device, with float64 on the CPU."""
    stream = np.random.default_rng(0)
    weight, inputs = stream.normal(size=(20, 60)), stream.laplace(size=(4000, 60))
    errors = []
    for density in (1.0, 0.05):
        mask = stream.random(weight.shape) < density
        mask[:, 0] = True
        true = cavity(weight, inputs, mask=mask, dtype="float64").delta_kurtosis
        on_device = torch.as_tensor(weight, dtype=torch.float32, device=device)
        found = cavity(on_device, torch.as_tensor(inputs, dtype=torch.float32), mask=mask).delta_kurtosis
        errors.append(float(np.nanmax(np.abs(found - true)) / np.nanmax(np.abs(true))))
    return Check(max(errors), 2e-3)


def locality_of_masks(device: torch.device) -> Check:
    """Compare the locality of a mask that lies on the device with that of the same mask on the CPU."""
    geometry = Geometry(1, (12, 12))
    mask = torch.from_numpy(np.random.default_rng(0).random((30, 144)) < 0.1)
    found, true = locality(mask.to(device), geometry), locality(mask, geometry)
    pairs = [(found.same_channel, true.same_channel), (found.attained_share, true.attained_share)]
    return Check(max(_largest(np.asarray(mine) - np.asarray(each)) for mine, each in pairs), 0.0)


def sparse_layer(device: torch.device) -> Check:
    """Compare outputs and gradients of `SparseLinear` with those of a dense layer in float64."""
    stream = torch.Generator().manual_seed(0)
    linear = nn.Linear(50, 30)
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream))
    mask = torch.rand(30, 50, generator=stream) < 0.2
    inputs, upstream = (torch.randn(64, n, generator=stream) for n in (50, 30))
    layer = SparseLinear.from_dense(linear, mask).to(device)
    leaf = inputs.to(device).requires_grad_()
    outputs = layer(leaf)
    outputs.backward(upstream.to(device))
    weight = (linear.weight.detach() * mask).double()
    assert leaf.grad is not None
    true = inputs.double() @ weight.T + linear.bias.detach().double()
    pairs = [(outputs, true), (leaf.grad, upstream.double() @ weight)]
    return Check(max(_largest(mine.detach().cpu() - each) / _largest(each) for mine, each in pairs), 1e-5)


CHECKS: dict[str, CheckOnDevice] = {
    "batches": batches,
    "training": training,
    "training on kept weights": training_on_kept_weights,
    "replicates together": replicates_together,
    "CUDA graph": cuda_graph,
    "masks": masks_of_levels,
    "resumed in the middle of a level": resumed,
    "moments": moments,
    "cavity": cavity_of_weights,
    "locality": locality_of_masks,
    "sparse layer": sparse_layer,
}


def _levels(device: torch.device, **options: object) -> "itertools.chain[Level]":
    task = bytes_task()
    pruning = PruningSettings(rate=0.5, max_levels=3, min_density=1e-3, rewind="step:5")
    found = imp(
        smooth_network(task).to(device), task, _TRAINING, pruning, acceleration=Acceleration(), **options
    )
    return itertools.chain(found)


def _trained_in_float64(network: FullyConnected, task: Task, masks: Masks, seed: int = 0) -> nn.Module:
    built = network.double().train()
    parameters = dict(built.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask)
    optimizer = torch.optim.SGD(built.parameters(), lr=_TRAINING.learning_rate, momentum=_TRAINING.momentum)
    for step in range(_TRAINING.num_steps(len(task.train_labels))):
        inputs, labels = task.batch(seed, step, _TRAINING.batch_size)
        optimizer.zero_grad()
        nn.functional.cross_entropy(built(inputs.double()), labels).backward()  # type: ignore[no-untyped-call]
        for name, mask in masks.items():
            gradient = parameters[name].grad
            assert gradient is not None
            gradient.mul_(mask)
        optimizer.step()
    return built


def _state_error(network: nn.Module, reference: nn.Module) -> float:
    """Return the largest difference of any weight or statistic, relative to the largest of its tensor."""
    found = network.state_dict()
    return max(
        _largest(found[name].double().cpu() - true) / max(_largest(true), 1e-3)
        for name, true in reference.state_dict().items()
        if true.is_floating_point()
    )


def _largest(values: Tensor | np.ndarray) -> float:
    array = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return float(np.abs(array).max()) if array.size else 0.0
