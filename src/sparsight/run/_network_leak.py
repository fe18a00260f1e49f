"""Whether a recipe's own network learns from its twin what permuted labels cannot have put there."""

from dataclasses import dataclass

import scipy.stats
import torch

from sparsight.data import clone_task, with_permuted_labels
from sparsight.errors import InputError
from sparsight.prune import imp
from sparsight.recipe import Recipe
from sparsight.run._building import build_network

_CONFIDENCE = 0.99


@dataclass(frozen=True, kw_only=True)
class NetworkLeak:
    """Test accuracy of a dense network on a twin that was made from permuted labels.

    `interval` is the binomial 99 % interval (Clopper–Pearson) over `num_samples` test samples, `chance` the
    share of the most frequent class among these. If the interval lies above chance, the twin leaks.
    """

    clone: str
    accuracy: float
    chance: float
    interval: tuple[float, float]
    num_samples: int

    @property
    def is_found(self) -> bool:
        """Whether the interval lies above chance."""
        return self.interval[0] > self.chance


def network_leak(recipe: Recipe, condition: str | None = None, *, replicate: int = 0) -> NetworkLeak:
    """Train a condition's network, dense, on the twin of its data with permuted labels, and test it.

    The labels of both splits are permuted first, and the twin is made from them in the condition's way.
    Whatever the network then knows about the twin's test split is sampling error that its two splits share.
    Unlike the cheap readout in the twin's card (``leak``), this is the network, the training and the number
    of samples that a run has; it costs one training.

    Parameters
    ----------
    condition : str, optional
        Default: the first. Its clone is looked at, or the twin that it is measured on.
    replicate : int
        Its seed makes permutation and initial weights, and the data unless ``data.seed`` makes them.

    Raises
    ------
    InputError
        If nothing is fitted: the data know their twin exactly, their clone is not a Gaussian fitted to each
        class, or they are drawn afresh at every step.
    """
    name = recipe.condition_names()[0] if condition is None else condition
    resolved, seed = recipe.condition(name), recipe.replicate_seed(replicate)
    twin = resolved.data.twin() or resolved.data
    if twin.knows(twin.clone) or twin.clone in ("gaussian_global", "phase"):
        raise InputError(
            f"condition {name!r}: nothing is fitted to the classes of {twin.source!r} for clone = "
            f"{twin.clone!r}, so nothing can leak; choose a condition with a fitted twin"
        )
    original = resolved.data.model_copy(update={"clone": "none", "label_noise": 0.0}).build(seed)
    task = clone_task(with_permuted_labels(original, seed), twin.clone, twin.seed_of_data(seed))
    network = build_network(resolved, task, seed)
    dense = next(iter(imp(network, task, resolved.training, resolved.pruning, seed=seed)))
    num_samples = len(task.test_labels)
    accuracy = float(dense.curve.test_accuracy[-1])
    interval = scipy.stats.binomtest(round(accuracy * num_samples), num_samples).proportion_ci(_CONFIDENCE)
    return NetworkLeak(
        clone=twin.clone,
        accuracy=accuracy,
        chance=float(torch.bincount(torch.from_numpy(task.test_labels)).max()) / num_samples,
        interval=(float(interval.low), float(interval.high)),
        num_samples=num_samples,
    )
