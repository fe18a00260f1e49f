"""Optimizers without torch's wrappers: the same numbers, and no compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from sparsight.train import TrainingSettings
from sparsight.train._optimizer import make_optimizer

ORIGINALS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
CASES = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", {}),
    ("adamw", {}),
]


def trained(network, optimizer):
    rng = torch.Generator().manual_seed(1)
    for step in range(20):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 + step % 3)
        optimizer.zero_grad(set_to_none=True)
        network(torch.randn(16, 8, generator=rng)).square().mean().backward()
        optimizer.step()
    return [*network.state_dict().values()], optimizer.state_dict()


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_weights_and_state_are_those_of_torch(name, options, weight_decay):
    torch.manual_seed(0)
    own, other = nn.Linear(8, 4), nn.Linear(8, 4)
    other.load_state_dict(own.state_dict())
    settings = TrainingSettings(
        steps=20, optimizer=name, learning_rate=0.01, weight_decay=weight_decay, **options
    )
    weights, state = trained(own, make_optimizer(own.parameters(), settings))
    original = ORIGINALS[name](other.parameters(), lr=0.01, weight_decay=weight_decay, **options)
    expected, expected_state = trained(other, original)
    for one, two in zip(weights, expected, strict=True):
        assert torch.equal(one, two)
    assert state["param_groups"] == expected_state["param_groups"]
    for index, entries in expected_state["state"].items():
        for key, value in entries.items():
            assert value is None or torch.equal(state["state"][index][key], value)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_are_reset(set_to_none):
    network = nn.Linear(3, 2)
    optimizer = make_optimizer(network.parameters(), TrainingSettings(steps=1))
    optimizer.zero_grad(set_to_none=False)  # there is no gradient yet
    network(torch.ones(1, 3)).sum().backward()
    optimizer.zero_grad(set_to_none)
    for parameter in network.parameters():
        assert parameter.grad is None if set_to_none else (parameter.grad == 0).all()


RUN = """
import sys
from pathlib import Path
from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
changes = ["replicates=1", "training.steps=20", "pruning.max_levels=1", "pruning.rewind='init'"]
small = ["data.num_train=300", "data.num_test=100", "data.size=[8, 8]", "network.widths=[8]"]
run_recipe(load_recipe("nlgp-2d", changes + small), Path(sys.argv[1]), jobs=1)
unused = {"torch._dynamo", "sympy", "matplotlib", "pandas", "xarray"}
print(*sorted(unused & sys.modules.keys()))
"""


def test_a_run_imports_neither_a_compiler_nor_what_only_reports_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "run")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
