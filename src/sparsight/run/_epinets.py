"""Epinets on the frozen features of stored levels: what one pruned network can say about what it ignores."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.network import Epinet, layer_inputs, linear_layers, outputs_of
from sparsight.run._building import build_network
from sparsight.run._ensembles import ensemble_quantities
from sparsight.store import Run, read_level
from sparsight.streams import generator
from sparsight.train import EpinetTraining, train_epinet_

_COLUMNS = ["condition", "replicate", "level", "density", "layer", "quantity", "value"]
_NUM_TRAINING_SAMPLES = 10_000


def epinets(
    run: Run,
    conditions: Sequence[str] | None = None,
    *,
    num_members: int = 32,
    num_samples: int | None = None,
    training: EpinetTraining | None = None,
    index_size: int = 8,
    prior_scale: float = 1.0,
) -> pd.DataFrame:
    """Train an epinet on what the last layer of every stored network receives, and measure it.

    Parameters
    ----------
    run : Run
        Its replicates may have different data: each network gets an epinet of its own.
    conditions : sequence of str, optional
        Default: all.
    num_members : int
        Indices z that form the ensemble on test samples, at least 2.
    num_samples : int, optional
        Test samples, at least 2. Default: ``measure.num_samples`` of each condition.
    training : sparsight.train.EpinetTraining, optional
        Default: its defaults.
    index_size, prior_scale
        As for `sparsight.network.Epinet`. A prior of scale 0 leaves nothing that keeps members apart.

    Returns
    -------
    pandas.DataFrame
        In the columns of `Run.frame`, under the layer ``network``: ``epinet.joint_nll`` and the other
        quantities of tickets in `ensembles`; ``base.…``, the same of the network alone; ``untrained.…``, of
        the epinet before its training, which keeps members apart by chance.
        `sparsight.intervals_by_level` gives means and Student's intervals over replicates.

    Raises
    ------
    InputError
        If a condition is unknown, no level is stored, a level is damaged, or a number does not fit.
    """
    for name, value in (("num_members", num_members), ("num_samples", num_samples)):
        if value is not None and value < 2:
            raise InputError(f"{name} is {value}; 2 or more are needed")
    chosen = list(run.recipe.condition_names()) if conditions is None else list(conditions)
    options = (index_size, prior_scale, num_members)
    rows = [
        row
        for condition in chosen
        for replicate in range(run.recipe.replicates)
        for row in _of_replicate(run, condition, replicate, num_samples, training, options)
    ]
    if not rows:
        raise InputError(f"{run.path} holds no level of {', '.join(chosen) or 'no condition'}; run it first")
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_replicate(
    run: Run,
    condition: str,
    replicate: int,
    num_samples: int | None,
    training: EpinetTraining | None,
    options: tuple[int, float, int],
) -> Iterator[tuple[object, ...]]:
    settings, seed = run.recipe.condition(condition), run.recipe.replicate_seed(replicate)
    number = run.directory.num_levels(condition, replicate)
    if not number:
        return
    index_size, prior_scale, num_members = options
    task = run.task(condition, replicate)
    network = build_network(settings, task, seed)
    most = settings.measure.num_samples if num_samples is None else num_samples
    for level in range(number):
        stored = read_level(run.directory.level(condition, replicate, level))
        network.load_state_dict(stored.final)
        features, logits, labels = _seen(network, task, "train", _NUM_TRAINING_SAMPLES)
        test = _seen(network, task, "test", most)
        epinet = Epinet(
            features.shape[1], logits.shape[1], index_size=index_size, prior_scale=prior_scale, seed=seed
        )
        index = torch.from_numpy(
            generator(seed, "epinet", "members").normal(size=(num_members, index_size))
        ).float()
        untrained = _members(epinet, test, index)
        train_epinet_(epinet, features, logits, labels, training, seed=seed)
        for name, members in (
            ("base", test[1].double().numpy()[None]),
            ("untrained", untrained),
            ("epinet", _members(epinet, test, index)),
        ):
            for quantity, value in ensemble_quantities(members, test[2].numpy(), seed).items():
                yield (
                    condition,
                    replicate,
                    level,
                    stored.record.density,
                    NETWORK,
                    f"{name}.{quantity}",
                    value,
                )


def _seen(
    network: nn.Module, task: Task, split: Literal["train", "test"], number: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the last layer receives, the logits, and the labels."""
    inputs, labels = task.representative(split, number)
    last = list(linear_layers(network))[-1]
    features = layer_inputs(network, [last], inputs)[last]
    return features, torch.from_numpy(outputs_of(network, inputs)).float(), labels


@torch.no_grad()
def _members(epinet: Epinet, seen: tuple[Tensor, Tensor, Tensor], index: Tensor) -> np.ndarray:
    found: np.ndarray = epinet(seen[0], seen[1], index).double().numpy()
    return found
