"""The instrument ``ood``: whether a level still tells the data from their Gaussian twin and from noise."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sparsight.data import Task, clone_task
from sparsight.instruments._chains import chain_before, chain_or_warning
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import (
    Chain,
    auroc,
    combined_score,
    energy_score,
    fpr95,
    largest_probability,
    neural_activation_prior,
)
from sparsight.network import layer_inputs, outputs_of
from sparsight.streams import generator

_OUTSIDE: Final = {
    "twin": "samples of the Gaussian twin",
    "phase": "held-out samples with random phases",
    "noise": "white noise with the mean and standard deviation of each input",
    "halves": "the other half of the held-out samples (no effect: 0.5)",
}
_OF_LAYERS: Final = {
    "nap": "(max/(mean + 1))² over the units of a hidden layer",
    "max": "largest activation of a hidden layer",
    "mean": "mean activation of a hidden layer",
}
_OF_LOGITS: Final = {
    "energy": "log Σ exp of the logits",
    "msp": "largest probability",
    "energy_nap": "geometric mean of energy and of nap of the last hidden layer",
}
_LAST = "in the last hidden layer"
_AREA = "AUROC of held-out samples against"
_PASSING = "share that passes for data if 95 % of the held-out samples do (alike: 0.95), of"

_Scores = dict[str, np.ndarray]


@network_instrument("ood", uses_twin=True)
def measure_ood(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return how well scores of a level tell held-out samples from the twin, a phase clone and noise.

    The twin has the mean and covariance of each class: to tell it from the data takes what is of higher
    order. The controls are two halves of the held-out samples, the weights that the level began with under
    its masks, and random pruning at equal accuracy. A fully connected layer has no channels: nap takes all
    its units for the positions of one, and is of networks whose activations are not negative.

    Source: Wan, Zhang, Zhou, Yi & Jin, arXiv 2402.18162; ``max`` and ``mean`` are what its reviewers asked
    for.
    """
    inputs = observation.held_out_samples()[0]
    inside, outside = _samples(observation, inputs)
    chain = chain_or_warning(observation, "the part of ood on hidden layers")
    before = chain_before(observation) if chain is not None else None
    found: dict[str, Quantity] = {}
    for name, others in outside.items():
        own = inside if name != "halves" else inputs[0::2]
        both = (own, others)
        if chain is not None:
            found |= _of_layers([_layer_scores(chain, _array(each)) for each in both], name, "")
            if before is not None:
                found |= _of_layers([_layer_scores(before, _array(each)) for each in both], name, "_initial")
        found |= _of_logits([_logit_scores(observation, chain, each) for each in both], name)
        if observation.geometries:
            found |= _of_channels([_channel_scores(observation, each) for each in both], name)
    undefined = int((_logit_scores(observation, chain, inside)["energy"] <= 0).sum())
    found["num_undefined"] = Quantity(
        float(undefined),
        (),
        "held-out samples whose energy score is not above 0, so that energy_nap is undefined",
    )
    return found


def _samples(observation: NetworkObservation, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return held-out samples, and those from outside by name."""
    stream = generator(observation.seed, "noise instead of data")
    drawn = torch.from_numpy(stream.normal(size=tuple(inputs.shape)).astype(np.float32))
    outside = {"noise": inputs.mean(dim=0) + inputs.std(dim=0, correction=0) * drawn}
    outside["halves"] = inputs[1::2]
    if observation.twin is not None:
        outside["twin"] = observation.twin.representative("test", observation.num_samples, observation.seed)[
            0
        ]
    outside["phase"] = _phase_clone(observation.task, inputs, observation.seed)
    return inputs, {name: outside[name] for name in _OUTSIDE if name in outside}


def _phase_clone(task: Task, inputs: Tensor, seed: int) -> Tensor:
    """Return the clone of these samples alone: the whole task would be cloned at each level."""
    values = inputs.numpy().reshape(-1, *task.geometry.shape)
    labels = np.arange(len(values), dtype=np.int64) % 2
    small = Task(
        name=task.name,
        geometry=task.geometry,
        num_classes=2,
        train_inputs=values[:2],
        train_labels=np.arange(2, dtype=np.int64),
        test_inputs=values,
        test_labels=labels,
    )
    return clone_task(small, "phase", seed).samples("test")[0]


def _layer_scores(chain: Chain, inputs: np.ndarray) -> _Scores:
    """Return scores of each hidden layer, (layer, n); nap is NaN where activations may be negative."""
    hidden = chain.responses(inputs)[:-1]
    prior = [
        neural_activation_prior(each[:, None]) if name in ("relu", "sigmoid") else np.full(len(each), np.nan)
        for name, each in zip(chain.activations, hidden, strict=True)
    ]
    scores = {
        "nap": prior,
        "max": [each.max(axis=1) for each in hidden],
        "mean": [each.mean(axis=1) for each in hidden],
    }
    return {name: np.array(values).reshape(len(hidden), len(inputs)) for name, values in scores.items()}


def _logit_scores(observation: NetworkObservation, chain: Chain | None, inputs: Tensor) -> _Scores:
    logits = outputs_of(observation.network, inputs)
    scores = {"energy": energy_score(logits), "msp": largest_probability(logits)}
    prior = np.full(len(logits), np.nan)
    if chain is not None and chain.activations:
        prior = _layer_scores(chain, _array(inputs))["nap"][-1]
    return scores | {"energy_nap": combined_score(scores["energy"], prior)}


def _channel_scores(observation: NetworkObservation, inputs: Tensor) -> _Scores:
    """Return the exact score of each layer whose inputs have channels and positions, by layer."""
    scores = {}
    geometries = observation.geometries or {}
    for layer, values in layer_inputs(observation.network, list(geometries), inputs).items():
        by_channel = values.numpy().reshape(len(inputs), geometries[layer].channels, -1)
        is_rectified = bool((by_channel >= 0).all())
        scores[layer] = neural_activation_prior(by_channel) if is_rectified else np.full(len(inputs), np.nan)
    return scores


def _of_channels(both: list[_Scores], name: str) -> dict[str, Quantity]:
    values = np.array([auroc(both[0][layer], both[1][layer]) for layer in both[0]])
    words = (
        f"{_AREA} {_OUTSIDE[name]}: mean over channels of (max/(mean + 1))² over positions, of the inputs of "
        f"{', '.join(both[0])} (alike: 0.5)"
    )
    return {f"auroc_nap_{name}_of_channels": Quantity(values, ("layer",), words)}


def _of_layers(both: list[_Scores], name: str, weights: str) -> dict[str, Quantity]:
    """Return AUROC and FPR95 of the scores of each hidden layer, and single numbers of the last one."""
    found = {}
    words = _OUTSIDE[name] + (", with the weights that the level began with" if weights else "")
    last = {}
    for score, meaning in _OF_LAYERS.items():
        pairs = list(zip(both[0][score], both[1][score], strict=True))
        for measure, function, sentence in (("auroc", auroc, _AREA), ("fpr95", fpr95, _PASSING)):
            values = np.array([function(*pair) for pair in pairs])
            found[f"{measure}_{score}_{name}{weights}_per_layer"] = Quantity(
                values, ("hidden",), f"{sentence} {words}: {meaning}"
            )
            if measure == "auroc":
                last[score] = float(values[-1]) if len(values) else np.nan
                found[f"auroc_{score}_{name}{weights}"] = Quantity(
                    last[score], (), f"{_AREA} {words}: {meaning}, {_LAST} (alike: 0.5)"
                )
    if not weights:
        found[f"nap_beyond_max_{name}"] = Quantity(
            last["nap"] - last["max"], (), f"AUROC of nap − AUROC of max against {words}, {_LAST}"
        )
    return found


def _of_logits(both: list[_Scores], name: str) -> dict[str, Quantity]:
    found = {}
    for score, meaning in _OF_LOGITS.items():
        pair = both[0][score], both[1][score]
        words = f"{_OUTSIDE[name]}: {meaning}"
        found[f"auroc_{score}_{name}"] = Quantity(auroc(*pair), (), f"{_AREA} {words} (alike: 0.5)")
        found[f"fpr95_{score}_{name}"] = Quantity(fpr95(*pair), (), f"{_PASSING} {words}")
    return found


def _array(inputs: Tensor) -> np.ndarray:
    found: np.ndarray = inputs.numpy()
    return found
