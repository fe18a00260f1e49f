"""A hundred sparse steps end where a hundred masked dense steps end."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from sparsight.prune import PruningSettings, dense_masks
from sparsight.train import Trainer, TrainingSettings
from tests.toy import in_precision, linear_task, small_network
from tests.train.test_trainer import OPTIMIZERS

SCHEDULES = {
    "constant": {},
    "step": {"schedule": "step", "milestones": (40, 70), "warmup_steps": 10},
    "cosine": {"schedule": "cosine", "warmup_steps": 5},
}
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
CASES = [
    (*case, schedule, prune_biases)
    for case, (schedule, prune_biases) in zip(
        itertools.product(OPTIMIZERS, ["none", "hidden", "input"]),
        itertools.cycle(itertools.product(SCHEDULES, [False, True])),
        strict=False,
    )
]


def parameter_vector(network):
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach().double()


def random_masks(network, density, prune_biases):
    masks = dense_masks(network, PruningSettings(prune_biases=prune_biases, prune_output=True))
    stream = torch.Generator().manual_seed(0)
    return {name: torch.rand(mask.shape, generator=stream) < density for name, mask in masks.items()}


def trained(kernel, dtype, batch_norm, prune_biases, **settings):
    task = linear_task(num_inputs=60)
    # A bias right before a BatchNorm has gradient 0 up to rounding, and Adam divides that by its own size:
    # where it drifts to is chance in the dense step too.
    is_chance = batch_norm == "hidden" and settings.get("optimizer", "sgd") != "sgd"
    network = small_network(task, widths=(40, 30), batch_norm=batch_norm, bias=not is_chance).to(dtype)
    masks = random_masks(network, 0.2, prune_biases)
    settings = TrainingSettings(steps=100, batch_size=50, evaluations=20, kernel=kernel, **settings)
    trainer = Trainer(network, in_precision(task, dtype), settings, masks, seed=1)
    trainer.run()
    return network, trainer


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(("optimizer", "batch_norm", "schedule", "prune_biases"), CASES)
def test_loss_and_parameters_agree_after_100_steps(optimizer, batch_norm, schedule, prune_biases, dtype):
    settings = OPTIMIZERS[optimizer] | SCHEDULES[schedule]
    dense, of_dense = trained("dense", dtype, batch_norm, prune_biases, **settings)
    sparse, of_sparse = trained("csr", dtype, batch_norm, prune_biases, **settings)
    assert of_dense.layers_on_kept_weights == []
    assert of_sparse.layers_on_kept_weights == ["linear_0", "linear_1", "linear_2"]
    tolerance = TOLERANCES[dtype]
    assert of_sparse.curve.train_loss == pytest.approx(of_dense.curve.train_loss, rel=tolerance)
    assert of_sparse.curve.test_loss == pytest.approx(of_dense.curve.test_loss, rel=tolerance)
    ours, theirs = parameter_vector(sparse), parameter_vector(dense)
    assert (ours - theirs).norm() < tolerance * theirs.norm()
    for mine, other in zip(sparse.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=10 * tolerance, atol=10 * tolerance)


def test_moments_are_kept_for_kept_weights_only():
    network, trainer = trained("csr", torch.float32, "none", False, optimizer="adam", learning_rate=0.01)
    kept = int(network.linear_0.weight.count_nonzero())
    tensors, _ = trainer.state()
    assert tensors["optimizer/0/exp_avg"].shape == (kept,)
    assert tensors["optimizer/0/exp_avg_sq"].shape == (kept,)
    assert kept < 0.3 * network.linear_0.weight.numel()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_going_on_from_a_saved_state_is_bit_identical(optimizer):
    task = linear_task(num_inputs=60)
    settings = TrainingSettings(steps=40, batch_size=50, kernel="csr", **OPTIMIZERS[optimizer])
    ends = []
    for interrupted in (False, True):
        network = small_network(task, widths=(40, 30), batch_norm="hidden")
        masks = random_masks(network, 0.2, prune_biases=True)
        trainer = Trainer(network, task, settings, masks, seed=1)
        trainer.run(17)
        if interrupted:
            state = trainer.state()
            network = small_network(task, seed=5, widths=(40, 30), batch_norm="hidden")
            trainer = Trainer(network, task, settings, masks, seed=1)
            trainer.restore(*state)
        trainer.run()
        ends.append((network.state_dict(), trainer.curve))
    assert ends[0][1] == ends[1][1]
    assert all(torch.equal(ends[0][0][name], ends[1][0][name]) for name in ends[0][0])


def test_batches_are_read_off_read_only_inputs(tmp_path):
    task = linear_task(num_inputs=60)
    np.save(tmp_path / "inputs.npy", task.train_inputs)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    settings = TrainingSettings(steps=20, batch_size=50, kernel="csr")
    ends = []
    for inputs in (task.train_inputs, mapped):
        network = small_network(task, widths=(40,))
        masks = random_masks(network, 0.2, prune_biases=False)
        Trainer(network, dataclasses.replace(task, train_inputs=inputs), settings, masks, seed=0).run()
        ends.append(network.linear_0.weight.detach())
    assert torch.equal(*ends)


@pytest.mark.parametrize("batch_norm", ["none", "input"])
def test_training_on_bytes_ends_where_training_on_the_same_numbers_ends(batch_norm):
    task = linear_task(num_inputs=60)
    codes = np.random.default_rng(0).integers(0, 256, task.train_inputs.shape, dtype=np.uint8)
    test_codes = np.random.default_rng(1).integers(0, 256, task.test_inputs.shape, dtype=np.uint8)
    mean, sd = np.array([120.0], np.float32), np.array([70.0], np.float32)
    of_bytes = dataclasses.replace(
        task, train_inputs=codes, test_inputs=test_codes, channel_mean=mean, channel_sd=sd
    )
    settings = TrainingSettings(steps=50, batch_size=50, learning_rate=0.05, kernel="csr")
    ends = []
    for kernel in ("dense", "csr"):
        network = small_network(of_bytes, widths=(40,), batch_norm=batch_norm)
        masks = random_masks(network, 0.2, prune_biases=False)
        trainer = Trainer(network, of_bytes, settings.model_copy(update={"kernel": kernel}), masks, seed=0)
        trainer.run()
        ends.append((parameter_vector(network), trainer.curve))
    (theirs, of_dense), (ours, of_sparse) = ends
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()
    assert of_sparse.test_loss == pytest.approx(of_dense.test_loss, rel=1e-5)


def test_the_network_holds_the_weights_of_every_step():
    """They are written into it only when somebody looks."""
    task, settings = linear_task(), TrainingSettings(steps=9, batch_size=32, learning_rate=0.1, kernel="csr")
    networks = [small_network(task) for _ in range(3)]
    masks = random_masks(networks[0], 0.3, False)
    watched, whole, stepwise = (Trainer(network, task, settings, masks, 0) for network in networks)
    seen = []
    watched.run(on_step=lambda trainer: seen.append(parameter_vector(trainer.network)))
    whole.run()
    for step, vector in enumerate(seen, start=1):
        stepwise.run(step)
        assert torch.equal(parameter_vector(networks[2]), vector)
        assert torch.equal(stepwise.state()[0]["network/linear_0.weight"], networks[2].linear_0.weight)
    assert torch.equal(parameter_vector(networks[1]), seen[-1])
    assert not torch.equal(seen[0], seen[-1])
