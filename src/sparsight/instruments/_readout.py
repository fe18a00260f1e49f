"""The instrument ``readout``: what linear readouts find behind a mask, with and without trained weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sparsight.instruments._chains import (
    chain_before,
    chain_or_warning,
    dense_chain_before,
    fresh_chain,
    has_layers_of,
    masks_of_chain,
)
from sparsight.instruments._hidden_responses import as_features, hidden_layers, hidden_responses
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import (
    Chain,
    coding_level,
    dimensionality,
    lifetime_sparseness,
    mean_of_defined,
    ridge_readout,
    winners,
)
from sparsight.streams import derived_seed

_NUM_DRAWS = 3
_SHARES = (1.0, 0.2, 0.05)  # winners over units
_OF = "held-out accuracy of a ridge readout, fitted on training samples, of each hidden layer's units:"
_DRAWN = f"weights drawn anew, Gaussian and without biases, mean of {_NUM_DRAWS} draws"
_SETS = {
    "trained": f"{_OF} trained weights",
    "rewound": f"{_OF} the weights that the level began with, under its masks",
    "mask": f"{_OF} {_DRAWN}, under the level's masks",
    "random_mask": f"{_OF} {_DRAWN}, under random masks in which every unit has as many inputs",
    "permuted_mask": f"{_OF} {_DRAWN}, under the masks with their rows, and their columns, permuted",
    "dense": f"{_OF} the weights that the dense network began with or is rewound to, without masks",
}
_LAST = "in the last hidden layer"
_DIFFERENCES = {
    "mask_knows": ("mask", "random_mask", "what the places of kept weights add to random places"),
    "alignment_adds": ("mask", "permuted_mask", "what the match of masks to inputs and to each other adds"),
    "values_add": ("rewound", "mask", "what the values that the level began with add to fresh ones"),
    "training_adds": ("trained", "rewound", "what training adds"),
}
_PROPERTIES = {
    "coding_level": "share of pairs of a held-out sample and a unit with a response above 0, trained weights",
    "dimensionality": "participation ratio of the covariance of the units' responses, trained weights",
    "lifetime_sparseness": "mean over units of (1 − (mean r)²/mean r²)/(1 − 1/n), trained weights; units "
    "that never respond are left out",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Samples:
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    num_classes: int

    def accuracy(self, train: np.ndarray, test: np.ndarray) -> float:
        """Return the held-out accuracy of a readout of features of both splits."""
        readout = ridge_readout(train, self.train_labels, self.num_classes)
        return readout.accuracy(test, self.test_labels)

    def responses(self, chain: Chain) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return those of each hidden layer to both splits, float32."""
        train, test = (
            chain.responses(inputs, dtype=np.float32)[:-1] for inputs in (self.train_inputs, self.test_inputs)
        )
        return list(zip(train, test, strict=True))


@network_instrument("readout")
def measure_readout(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return what linear readouts of hidden layers find with trained, first and fresh weights.

    The readout is `sparsight.ridge_readout`, in closed form, fitted on training samples and tested on
    held-out ones. Fresh weights under the masks, minus fresh weights under random masks of equal fan-in, is
    what the masks alone know; random pruning has 0 there.

    Source: layers as untrained expansions with sparse codes, Mukherjee & Huberman, arXiv 2211.14632. Their
    explanation of lottery tickets is not tested here.
    """
    (train_inputs, train_labels), (test_inputs, test_labels) = (
        observation.training_samples(),
        observation.held_out_samples(),
    )
    samples = _Samples(
        train_inputs=train_inputs.numpy(),
        train_labels=train_labels.numpy(),
        test_inputs=test_inputs.numpy(),
        test_labels=test_labels.numpy(),
        num_classes=observation.task.num_classes,
    )
    of_inputs = Quantity(
        samples.accuracy(samples.train_inputs, samples.test_inputs),
        (),
        "held-out accuracy of a ridge readout of the network's inputs",
    )
    chain = chain_or_warning(observation, "readout with other weights or masks")
    hidden = (
        _hidden_of_any(observation, (train_inputs, test_inputs))
        if chain is None
        else samples.responses(chain)
    )
    trained = [samples.accuracy(*both) for both in hidden]
    found = {"accuracy_inputs": of_inputs} | _codes(hidden, samples, trained)
    if chain is not None:
        return found | _by_weights(observation, chain, samples, trained)
    return found | {"accuracy_trained": Quantity(np.array(trained), ("hidden",), _SETS["trained"])}


def _hidden_of_any(
    observation: NetworkObservation, splits: tuple[Tensor, Tensor]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return features of the hidden layers of a network that is no chain, for both splits."""
    network = observation.network
    layers = hidden_layers(network, splits[0][:2])
    train, test = (
        [as_features(each) for each in hidden_responses(network, layers, inputs)] for inputs in splits
    )
    return list(zip(train, test, strict=True))


def _by_weights(
    observation: NetworkObservation, chain: Chain, samples: _Samples, trained: list[float]
) -> dict[str, Quantity]:
    """Return accuracies of every hidden layer for each set of weights, and their differences in the last.

    `trained` are those of the chain itself.
    """
    num_hidden = len(chain.weights) - 1
    accuracies = dict.fromkeys(_SETS, np.full(num_hidden, np.nan))
    of_chain = {id(chain): trained}  # chains that several sets have in common are measured once
    for name, chains in _chains(observation, chain).items():
        for each in chains:
            if id(each) not in of_chain:
                of_chain[id(each)] = [samples.accuracy(*both) for both in samples.responses(each)]
        accuracies[name] = np.mean([of_chain[id(each)] for each in chains], axis=0)
    found = {
        f"accuracy_{name}": Quantity(accuracies[name], ("hidden",), words) for name, words in _SETS.items()
    }
    for name, (more, less, words) in _DIFFERENCES.items():
        gaps = accuracies[more] - accuracies[less]
        meaning = f"{words}: accuracy_{more} − accuracy_{less} {_LAST} (no effect: 0)"
        found[name] = Quantity(float(gaps[-1]) if num_hidden else np.nan, (), meaning)
    return found


def _chains(observation: NetworkObservation, chain: Chain) -> dict[str, list[Chain]]:
    """Return the chains of each set of weights that are known; sets that are alike share their chains."""
    found = {"trained": [chain]}
    before = chain_before(observation)
    dense = before if observation.level.index == 0 else dense_chain_before(observation)
    for name, other in (("rewound", before), ("dense", dense)):
        if other is not None:
            found[name] = [other]
    masks = masks_of_chain(observation)
    if not has_layers_of(chain, masks):
        return found
    is_dense = all(mask.all() for mask in masks)
    for name, how in (("mask", "none"), ("random_mask", "unit"), ("permuted_mask", "rows_columns")):
        found[name] = (
            found["mask"]
            if is_dense and name != "mask"
            else [
                fresh_chain(
                    masks_of_chain(observation, how, derived_seed(observation.seed, "readout", draw)),
                    chain.activations,
                    observation.seed,
                    "readout",
                    draw,
                )
                for draw in range(_NUM_DRAWS)
            ]
        )
    return found


def _codes(
    hidden: list[tuple[np.ndarray, np.ndarray]], samples: _Samples, trained: list[float]
) -> dict[str, Quantity]:
    """Return properties of the codes of each hidden layer, and what a readout of their winners finds.

    `hidden` are the trained responses, for both splits, and `trained` what a readout of all of them finds.
    """
    test = [each for _, each in hidden]
    values = {
        "coding_level": [coding_level(each) for each in test],
        "dimensionality": [dimensionality(each) for each in test],
        "lifetime_sparseness": [mean_of_defined(lifetime_sparseness(each)) for each in test],
    }
    found = {
        name: Quantity(np.array(values[name]), ("hidden",), words) for name, words in _PROPERTIES.items()
    }
    of_winners = [
        [
            of_all if share == 1 else samples.accuracy(*(_of_winners(each, share) for each in both))
            for share in _SHARES
        ]
        for both, of_all in zip(hidden, trained, strict=True)
    ]
    found["accuracy_winners"] = Quantity(
        np.array(of_winners).reshape(-1, len(_SHARES)),
        ("hidden", "share_of_winners"),
        f"accuracy_trained if only the {', '.join(f'{share:g}' for share in _SHARES)} of the units that "
        "respond most to a sample keep their response, and others count as 0",
    )
    return found


def _of_winners(features: np.ndarray, share: float) -> np.ndarray:
    code = winners(features, max(1, round(share * features.shape[1])))
    return np.where(code, features, 0.0)
