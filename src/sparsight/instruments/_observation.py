"""Observations: a layer of a trained network, or all of it, with the data it is measured on."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.network import LinearMap, as_matrix, is_chain, layer_inputs, linear_layers, linear_maps
from sparsight.prune import Level, PruningSettings, State, paths
from sparsight.streams import generator
from sparsight.train import Loss, Masks, TrainingSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation:
    """One layer of a trained level as a linear map, with the data it is measured on.

    A convolution is the map of its patches: every position of a sample is a row of `inputs`, its units are
    its output channels, and its weight is flattened, (out_channels, in_channels · ∏ kernel_size).

    Attributes
    ----------
    layer : str
        Name of the layer in the network, as in `sparsight.imp`.
    depth : int
        0 for the layer whose inputs `geometry` places, 1 for the next, …
    level : int
        Level of pruning; 0 is dense.
    seed : int
        Seed of the replicate. With `layer` and `level` it names the random stream of a control that
        samples.
    weight : numpy.ndarray of float32, (out, in)
        After training; exactly 0 where `mask` is False.
    weight_before : numpy.ndarray of float32, (out, in), or None
        Before training: the initialisation at level 0, the rewound weights later. None if it is unknown,
        or if regrowth has changed the level's masks: connections that were grown began with nothing.
    bias : numpy.ndarray of float32, (out,), or None
        After training.
    mask : numpy.ndarray of bool, (out, in)
        Weights that this level trained.
    next_mask : numpy.ndarray of bool, (out, in)
        Weights that pruning keeps after this level: a subset of `mask`.
    inputs : Tensor of float32, (n, in)
        The layer's inputs h on held-out samples, as the layer receives them (after any BatchNorm).
    labels : Tensor of int64, (n,)
        Classes of those samples.
    twin_inputs : Tensor of float32, (m, in), or None
        The same layer's inputs when the same network receives the Gaussian twin of the data.
    twin_labels : Tensor of int64, (m,), or None
        Classes of the twin's samples. For every clone and every field that knows its own twin these are
        `labels`, in the same order; a caller's own twin may have others.
    geometry : Geometry or None
        Geometry of the network's input, or of the layer's own inputs: that of a convolution is its kernel.
        None for linear layers of networks that are not a chain of them, unless the caller gave one:
        quantities that need positions are undefined there.
    paths : numpy.ndarray of float64, (out, geometry.num_inputs), or None
        Number of kept paths from each of those inputs to each unit: the mask itself at depth 0, the product
        of this mask and those of the layers below further up. None without `geometry`.
    paths_to_inputs : numpy.ndarray of float64, (in,), or None
        Number of kept paths from the network's inputs to each of the layer's own inputs: 1 at depth 0. None
        where `paths` is.
    num_classes : int
        Labels are 0 … num_classes − 1.
    outgoing : numpy.ndarray of float32, (out of the next layer, out), or None
        Weight of the next linear layer, which reads this layer's units; 0 where pruned. None for the last
        layer, and in networks that are not a chain of linear layers.
    outputs : Tensor of float32, (n, out), or None
        What the next layer receives from this layer's units on those samples, after nonlinearity and any
        BatchNorm. None where `outgoing` is.
    """

    layer: str
    depth: int
    level: int
    seed: int
    weight: np.ndarray
    bias: np.ndarray | None
    mask: np.ndarray
    next_mask: np.ndarray
    inputs: Tensor
    labels: Tensor
    twin_inputs: Tensor | None
    twin_labels: Tensor | None = None
    geometry: Geometry | None
    paths: np.ndarray | None
    num_classes: int
    weight_before: np.ndarray | None = None
    outgoing: np.ndarray | None = None
    outputs: Tensor | None = None
    paths_to_inputs: np.ndarray | None = None

    @property
    def pruned(self) -> np.ndarray:
        """Weights that pruning removes after this level: bool, (out, in)."""
        pruned: np.ndarray = self.mask & ~self.next_mask
        return pruned


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskedNetwork:
    """A network to measure that did not come out of the pruning loop: the part of a `Level` that is needed.

    Its weights are 0 outside `masks`. `index` and `seed` name the random streams of controls.
    """

    network: nn.Module
    masks: Masks
    next_masks: Masks
    seed: int
    index: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkObservation:
    """A network as a whole, for instruments that do not measure layer by layer.

    Attributes
    ----------
    level : Level or MaskedNetwork
        A level of a run; or, in `measure_network`, only its `network`, `masks`, `next_masks`, `seed` and
        `index`.
    task : Task
        What the network was trained on.
    num_samples : int
        Largest number of samples to measure on.
    loss : {"cross_entropy", "mse"}
        Loss of the training.
    twin : Task or None
        The Gaussian twin of the data. None if there is none, or no instrument of the recipe uses it.
    geometries : mapping of str to Geometry, or None
        Positions of the inputs of a layer, by layer, as given to `measure_network`.
    dense_initial : dict of str to Tensor or None
        State dict with which the level would have begun without masks: its rewound weights, with those that
        the masks remove. None where nobody knows it, as in `measure_network` or with kept trained weights.
    training, pruning : TrainingSettings, PruningSettings or None
        Settings of the level, for instruments that train copies of it. None in `measure_network`, where
        nobody knows them.
    """

    level: Level | MaskedNetwork
    task: Task
    num_samples: int
    loss: Loss
    twin: Task | None = None
    geometries: Mapping[str, Geometry] | None = None
    dense_initial: State | None = None
    training: TrainingSettings | None = None
    pruning: PruningSettings | None = None

    @property
    def network(self) -> nn.Module:
        """The network after training. An instrument must leave it unchanged."""
        return self.level.network

    @property
    def masks(self) -> Masks:
        """Weights that the level trained, by parameter name; parameters without a mask are all trained."""
        return self.level.masks

    @property
    def seed(self) -> int:
        """Seed of the replicate."""
        return self.level.seed

    def training_samples(self) -> tuple[Tensor, Tensor]:
        """Return at most `num_samples` training samples and their classes, see `Task.representative`.

        Returns
        -------
        inputs : Tensor of float32, (n, num_inputs)
        labels : Tensor of int64, (n,)
        """
        return self.task.representative("train", self.num_samples, self.seed)

    def held_out_samples(self) -> tuple[Tensor, Tensor]:
        """Return at most `num_samples` test samples and their classes, as `training_samples` does."""
        return self.task.representative("test", self.num_samples, self.seed)


def observe(
    level: Level | MaskedNetwork,
    task: Task,
    twin: Task | None,
    *,
    num_samples: int,
    geometries: Mapping[str, Geometry] | None = None,
) -> Iterator[Observation]:
    """Yield an observation of every layer whose weight has a mask; arguments as in `measure_level`.

    Convolutions with groups are left out: their units read different channels.
    """
    network, masks = level.network, level.masks
    layers = linear_maps(network)
    pruned = [name for name, each in layers.items() if each.weight_name in masks and each.num_groups == 1]
    inputs, labels = task.representative("test", num_samples, level.seed)
    following = _following_layers(network)
    wanted = dict.fromkeys((*pruned, *(following[name] for name in pruned if name in following)))
    seen = layer_inputs(network, list(wanted), inputs)
    # A twin with the same labels in the same order, as all clones have, gives samples in the same places.
    twin_samples = twin.representative("test", num_samples, level.seed) if twin else None
    seen_on_twin = layer_inputs(network, pruned, twin_samples[0]) if twin_samples else {}
    kernels = {name: layers[name].geometry for name in pruned}
    own = {name: kernel for name, kernel in kernels.items() if kernel is not None}
    places = _Places(network, masks, task.geometry, {**own, **(geometries or {})})
    for name in pruned:
        layer, weight_name = layers[name], layers[name].weight_name
        depth, geometry, product = places.of(name)
        below = places.paths_to_inputs(name)
        samples = layer.vectors(seen[name], generator(level.seed, "positions", name)).flatten(0, 1)
        on_twin, twin_labels = None, None
        if twin_samples:
            # The stream anew: a twin is seen at the same positions.
            stream = generator(level.seed, "positions", name)
            on_twin = layer.vectors(seen_on_twin[name], stream).flatten(0, 1)
            twin_labels = twin_samples[1].repeat_interleave(len(on_twin) // len(twin_samples[1]))
        after = following.get(name)
        yield Observation(
            layer=name,
            depth=depth,
            level=level.index,
            seed=level.seed,
            # Copies: the loop reuses the network, and an instrument may keep what it was given.
            weight=layer.matrix.detach().cpu().numpy().copy(),
            bias=None if layer.bias is None else layer.bias.detach().cpu().numpy().copy(),
            mask=as_matrix(masks[weight_name]).cpu().numpy(),
            next_mask=as_matrix(level.next_masks[weight_name]).cpu().numpy(),
            inputs=samples,
            # A layer applied at several places (tokens, positions) has several rows for each sample, next to
            # each other.
            labels=labels.repeat_interleave(len(samples) // len(labels)),
            twin_inputs=on_twin,
            twin_labels=twin_labels,
            geometry=geometry,
            paths=None if product is None else product.numpy(),
            paths_to_inputs=None if below is None else below.numpy(),
            num_classes=task.num_classes,
            weight_before=_weight_before(level, weight_name),
            outgoing=None
            if after is None
            else _masked_weight(layers[after], masks.get(layers[after].weight_name)),
            outputs=None if after is None else seen[after],
        )


def _weight_before(level: Level | MaskedNetwork, name: str) -> np.ndarray | None:
    if isinstance(level, MaskedNetwork) or name not in level.initial_of_kept:
        return None
    return as_matrix(level.initial_of_kept[name]).numpy().copy()


def _following_layers(network: nn.Module) -> dict[str, str]:
    """Return, for each linear layer of a chain, the one that reads its units; empty if it is not a chain."""
    names = list(linear_layers(network))
    # A flattening between two layers would leave several numbers for each unit.
    layers = linear_layers(network).values()
    fits = all(a.out_features == b.in_features for a, b in itertools.pairwise(layers))
    return dict(itertools.pairwise(names)) if is_chain(network) and fits else {}


def _masked_weight(layer: LinearMap, mask: Tensor | None) -> np.ndarray:
    weight = layer.weight.detach().cpu()
    # Not a product: what a mask hides may be NaN.
    masked: np.ndarray = (weight if mask is None else weight.masked_fill(~mask.cpu(), 0.0)).numpy().copy()
    return masked


class _Places:
    """Positions of the inputs of a network's layers, and the kept paths from there, layer by layer."""

    def __init__(
        self, network: nn.Module, masks: Masks, geometry: Geometry, geometries: Mapping[str, Geometry]
    ) -> None:
        self._geometry = geometry
        self._geometries = geometries
        self._layers = list(linear_layers(network))
        self._is_chain = is_chain(network)
        self._masks = {
            name: as_matrix(
                masks.get(layer.weight_name, torch.ones(layer.weight.shape, dtype=torch.bool)).cpu()
            )
            for name, layer in linear_maps(network).items()
        }

    def paths_to_inputs(self, name: str) -> Tensor | None:
        """Return the number of kept paths to each input of a layer; None where there are no `paths`."""
        if name in self._geometries:
            return torch.ones(self._masks[name].shape[1], dtype=torch.float64)
        if not self._is_chain:
            return None
        counts = torch.ones(self._masks[self._layers[0]].shape[1], dtype=torch.float64)
        for below in self._layers[: self._layers.index(name)]:
            counts = self._masks[below].double() @ counts
        return counts

    def of(self, name: str) -> tuple[int, Geometry | None, Tensor | None]:
        """Return a layer's depth, its geometry, and the number of paths from there to its units."""
        if name in self._geometries:
            return 0, self._geometries[name], self._masks[name].double()
        before = itertools.takewhile(lambda each: each != name, self._masks)
        depth = sum(each in self._layers for each in before)
        # Only in a chain does a product of masks count paths from the network's input: a convolution or an
        # attention in between mixes positions in a way that no mask describes.
        if not self._is_chain:
            return depth, None, None
        return depth, self._geometry, paths([self._masks[below] for below in self._layers[: depth + 1]])
