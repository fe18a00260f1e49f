"""How alike the representations of pruned and dense networks are, level by level of a stored run."""

import numpy as np
import pandas as pd
from torch import nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.measure import linear_cka
from sparsight.network import layer_inputs, linear_layers
from sparsight.run._building import build_network
from sparsight.store import Run, read_level

_COLUMNS = ["condition", "replicate", "level", "density", "layer", "quantity", "value"]

DENSE, OTHER_SEED = "cka_with_dense", "cka_with_another_seed"


def representation_similarities(run: Run, *, num_samples: int | None = None) -> pd.DataFrame:
    """Compare what the units of each layer answer in pruned networks and in dense ones.

    Parameters
    ----------
    run : Run
        With at least one level.
    num_samples : int, optional
        Test samples, at least 4. Default: ``measure.num_samples`` of each condition.

    Returns
    -------
    pandas.DataFrame
        In the columns of `Run.frame`, for every level and linear layer. ``cka_with_dense`` is
        `sparsight.measure.linear_cka` of the layer's pre-activations with those of level 0 of the same
        replicate, on the same test samples: 1 at level 0. ``cka_with_another_seed`` is that of two dense
        networks and stands at level 0 only: level 0 of the next replicate answers the samples of this one.
        It is what sharing the task, and no weights, gives; NaN with one replicate.

    Raises
    ------
    InputError
        If no level is stored, a level is damaged, or fewer than 4 samples are asked for.
    """
    rows = [
        row
        for condition in run.recipe.condition_names()
        for replicate in range(run.recipe.replicates)
        for row in _of_replicate(run, condition, replicate, num_samples)
    ]
    if not rows:
        raise InputError(f"{run.path} holds no level yet; run it first")
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_replicate(
    run: Run, condition: str, replicate: int, num_samples: int | None
) -> list[tuple[object, ...]]:
    directory, settings = run.directory, run.recipe.condition(condition)
    number = directory.num_levels(condition, replicate)
    if not number:
        return []
    task = run.task(condition, replicate)
    network = build_network(settings, task, run.recipe.replicate_seed(replicate))
    samples = settings.measure.num_samples if num_samples is None else num_samples
    dense: dict[str, np.ndarray] = {}
    rows: list[tuple[object, ...]] = []
    for level in range(number):
        stored = read_level(directory.level(condition, replicate, level))
        network.load_state_dict(stored.final)
        seen = _preactivations(network, task, samples)
        dense = dense or seen
        key = (condition, replicate, level, stored.record.density)
        rows += [(*key, layer, DENSE, linear_cka(seen[layer], dense[layer])) for layer in seen]
    other = _dense_of_another_seed(run, condition, replicate, network, task, samples)
    rows += [
        (condition, replicate, 0, rows[0][3], layer, OTHER_SEED, linear_cka(other[layer], dense[layer]))
        for layer in other
    ]
    return rows


def _dense_of_another_seed(
    run: Run, condition: str, replicate: int, network: nn.Module, task: Task, num_samples: int
) -> dict[str, np.ndarray]:
    """Return the pre-activations of the next replicate's dense network on these samples, if there is one."""
    replicates = range(run.recipe.replicates)
    begun = [each for each in replicates if run.directory.num_levels(condition, each)]
    if len(begun) < 2:
        return {}
    other = begun[(begun.index(replicate) + 1) % len(begun)]
    network.load_state_dict(read_level(run.directory.level(condition, other, 0)).final)
    return _preactivations(network, task, num_samples)


def _preactivations(network: nn.Module, task: Task, num_samples: int) -> dict[str, np.ndarray]:
    inputs, _ = task.representative("test", num_samples)
    layers = linear_layers(network)
    received = layer_inputs(network, list(layers), inputs)
    return {
        name: nn.functional.linear(
            received[name],
            layer.weight.detach().cpu(),
            None if layer.bias is None else layer.bias.detach().cpu(),
        ).numpy()
        for name, layer in layers.items()
    }
