"""Runs on disk whose levels were invented instead of trained, and measured by the real instruments."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.instruments import measure_level
from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.prune import Level
from sparsight.prune._masks import prune
from sparsight.prune._schedule import num_removed
from sparsight.recipe import Recipe
from sparsight.store import Run, RunDirectory, write_level
from sparsight.train import Curve

HOSTILE = "<script>alert('κ')</script>"
UNITS, SAMPLES, LEVELS = 12, 60, 4
LOCALITY_ALONE = {"num_samples": SAMPLES, "instruments": ["locality"]}


def made_up_task(geometry, seed):
    stream = np.random.default_rng(seed)
    inputs = stream.laplace(size=(SAMPLES, *geometry.shape)).astype(np.float32)
    labels = np.arange(SAMPLES, dtype=np.int64) % 3
    return Task(
        name="made up",
        geometry=geometry,
        num_classes=3,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs,
        test_labels=labels,
    )


def scores_of(network, geometry, condition, stream):
    """Return scores that keep the weights near a centre of each unit (imp), or any weights (others)."""
    shape = network.linear_0.weight.shape
    if condition != "imp":
        return torch.from_numpy(stream.random(shape).astype(np.float32))
    positions = geometry.positions()
    centres = positions[stream.integers(len(positions), size=len(network.linear_0.weight))]
    distances = np.linalg.norm(positions[None] - centres[:, None], axis=-1)
    noisy = np.tile(distances, geometry.channels) + stream.normal(size=shape)
    return torch.from_numpy(-noisy.astype(np.float32))


def store_run(
    path, *, geometry=None, replicates=2, conditions=("imp", "random"), levels=LEVELS, rate=0.5, **recipe
):
    """Write a run of invented levels; its numbers are those that the instruments measure."""
    geometry = geometry or Geometry(3, (8, 8))
    values = {
        "name": "made-up",
        "question": f"Is it local? {HOSTILE} Is it so at random?",
        "replicates": replicates,
        "data": {"source": "photographs"},
        "network": {"widths": [UNITS]},
        "training": {"steps": 10, "batch_size": 5},
        "pruning": {"max_levels": levels - 1, "rate": rate},
        "measure": {"num_samples": SAMPLES},
        "conditions": {name: {} for name in conditions},
    } | recipe
    directory = RunDirectory.create(Recipe.from_values(values, "made up"), path)
    for replicate, condition in itertools.product(range(replicates), conditions):
        store_replicate(directory, condition, replicate, geometry, levels)
    return Run(directory)


def store_replicate(directory, condition, replicate, geometry, levels):
    seed = directory.recipe.replicate_seed(replicate) % 2**32
    stream = np.random.default_rng(seed)
    task, twin = (made_up_task(geometry, seed + offset) for offset in (0, 1))
    network = FullyConnected(geometry.num_inputs, 3, NetworkSettings(widths=(UNITS,)))
    initialise_(network, "torch", seed)
    directory.begin(condition, replicate, facts_of(geometry))
    masks = {"linear_0.weight": torch.ones(network.linear_0.weight.shape, dtype=torch.bool)}
    scores = {"linear_0.weight": scores_of(network, geometry, condition, stream)}
    for index in range(levels):
        num_kept = int(masks["linear_0.weight"].sum())
        num_kept -= num_removed(directory.recipe.pruning.rate, num_kept)
        next_masks = prune(scores, masks, {("linear_0.weight",): num_kept})
        with torch.no_grad():
            network.linear_0.weight *= masks["linear_0.weight"]
        level = level_of(network, index, masks, next_masks, seed, index == levels - 1)
        instruments = directory.recipe.measure.instruments
        measures = measure_level(level, task, twin, instruments, num_samples=SAMPLES)
        facts = {
            "connectivity": {
                "num_units": UNITS,
                "num_connected": UNITS - index,
                "severed_layers": [],
                "has_path": True,
            },
            "train_seconds": 1.0,
            "measure_seconds": 0.5,
            "threads": 1,
        }
        write_level(directory.level(condition, replicate, index), level, measures, facts)
        masks = next_masks


def level_of(network: nn.Module, index, masks, next_masks, seed, is_last):
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    accuracy = 0.9 - 0.1 * index + (seed % 7) / 100
    curve = Curve(
        step=[5, 10],
        train_loss=[1.0, 0.5],
        test_loss=[1.1, 0.6],
        test_accuracy=[accuracy - 0.1, accuracy],
        learning_rate=[0.1, 0.1],
    )
    return Level(
        index=index, masks=masks, next_masks=next_masks, initial=state, final=state, rewind=state,
        curve=curve, seed=seed, network=network, is_last=is_last,
    )  # fmt: skip


def facts_of(geometry):
    return {
        "name": "made up",
        "geometry": {"channels": geometry.channels, "size": list(geometry.size), "wraps": geometry.wraps},
        "num_classes": 3,
        "num_train": SAMPLES,
        "num_test": SAMPLES,
        "card": {"source": HOSTILE, "licence": {"patches": "CC0"}, "rejected_flat_patches": {"train": 4}},
    }


@pytest.fixture(scope="session")
def hostile():
    """A foreign string as hostile as any; it is in the question and the data card of every stored run."""
    return HOSTILE


@pytest.fixture(scope="session")
def store():
    """`store_run`, for tests that need a run of their own."""
    return store_run


@pytest.fixture(scope="session")
def stored_runs(tmp_path_factory):
    """One run per geometry, shared by tests that only read."""
    folder = tmp_path_factory.mktemp("stored")
    return {
        "colour": store_run(folder / "colour"),
        "line": store_run(folder / "line", geometry=Geometry(1, (24,), wraps=True), replicates=1),
    }


@pytest.fixture(scope="session")
def lean_run(tmp_path_factory):
    """A ring with locality alone, one replicate, four levels: its report has few panels and is soon drawn."""
    path = tmp_path_factory.mktemp("stored") / "lean"
    return store_run(
        path,
        geometry=Geometry(1, (24,), wraps=True),
        replicates=1,
        measure=LOCALITY_ALONE,
    )


@pytest.fixture(scope="session")
def stored_run(stored_runs):
    """Two conditions, two replicates, four levels of 12 units on 8×8 colour patches."""
    return stored_runs["colour"]
