"""The instrument ``ood``: whether a level still tells the data from their Gaussian twin and from noise."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sparsight.data import Task, clone_task
from sparsight.instruments._chains import chain_before, chain_or_warning
from sparsight.instruments._hidden_responses import hidden_layers, hidden_responses
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
    prior_weight,
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
    "energy_nap_fitted": "energy^w · nap^(1 − w), w fitted to training samples beside their own with inputs "
    "permuted",
}
_LAST = "in the last hidden layer"
_AREA = "AUROC of held-out samples against"
_PASSING = "share that passes for data if 95 % of the held-out samples do (alike: 0.95), of"

_NUM_FITTED = 1000  # training samples that a weight is fitted to, at most
_BLOCK = 2048  # samples whose responses are in memory at once
_Scores = dict[str, np.ndarray]
_Scored = dict[str, _Scores]


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
    chain = chain_or_warning(observation, "ood with the weights that the level began with")
    before = chain_before(observation) if chain is not None else None
    layers = hidden_layers(observation.network, inputs[:2]) if chain is None else []

    def scored(samples: Tensor) -> _Scored:
        blocks = torch.split(samples, _BLOCK)
        return _joined([_scores(observation, (chain, before), layers, block) for block in blocks])

    inside = scored(inputs)
    outside = {name: scored(samples) for name, samples in _outside(observation, inputs).items()}
    weight = _fitted_weight(*map(scored, _stand_ins(observation)))
    for each in (inside, *outside.values()):
        each["logits"]["energy_nap_fitted"] = _combined(each, weight)
    outside["halves"] = _rows(inside, slice(1, None, 2))
    found = {"nap_weight": Quantity(weight, (), "the weight w of energy_nap_fitted (energy_nap: 0.5)")}
    for name in (each for each in _OUTSIDE if each in outside):
        own = inside if name != "halves" else _rows(inside, slice(0, None, 2))
        for weights in ("", "_initial"):
            if weights in own:
                found |= _of_layers((own[weights], outside[name][weights]), name, weights)
        found |= _of_logits((own["logits"], outside[name]["logits"]), name)
        if observation.geometries:
            found |= _of_channels((own["channels"], outside[name]["channels"]), name)
    undefined = int((inside["logits"]["energy"] <= 0).sum())
    found["num_undefined"] = Quantity(
        float(undefined),
        (),
        "held-out samples whose energy score is not above 0, so that energy_nap is undefined",
    )
    return found


def _stand_ins(observation: NetworkObservation) -> tuple[Tensor, Tensor]:
    """Return training samples, and the same with the inputs of each permuted."""
    number = min(_NUM_FITTED, observation.num_samples)
    inputs, _ = observation.task.representative("train", number, observation.seed)
    permuted = generator(observation.seed, "permuted training samples").permuted(_array(inputs), axis=1)
    return inputs, torch.from_numpy(permuted)


def _fitted_weight(inside: _Scored, outside: _Scored) -> float:
    both = [(each["logits"]["energy"], _last_nap(each)) for each in (inside, outside)]
    return prior_weight(*both[0], *both[1])


def _combined(scored: _Scored, weight: float) -> np.ndarray:
    energy = scored["logits"]["energy"]
    return (
        np.full_like(energy, np.nan)
        if np.isnan(weight)
        else combined_score(energy, _last_nap(scored), weight=weight)
    )


def _last_nap(scored: _Scored) -> np.ndarray:
    """Return the nap of the last hidden layer; NaN without one."""
    naps = scored[""]["nap"]
    found: np.ndarray = naps[-1] if len(naps) else np.full(naps.shape[1], np.nan)
    return found


def _joined(blocks: Sequence[_Scored]) -> _Scored:
    return {
        kind: {score: np.concatenate([each[kind][score] for each in blocks], axis=-1) for score in scores}
        for kind, scores in blocks[0].items()
    }


def _rows(scored: _Scored, rows: slice) -> _Scored:
    return {
        kind: {score: values[..., rows] for score, values in scores.items()}
        for kind, scores in scored.items()
    }


def _scores(
    observation: NetworkObservation,
    chains: tuple[Chain | None, Chain | None],
    layers: list[str],
    inputs: Tensor,
) -> _Scored:
    """Return all scores of samples, by what they are of: hidden layers now and before, logits, channels.

    `chains` are the network now and before, if it is one; otherwise `layers` receive hidden responses.
    """
    (chain, before), found = chains, _Scored()
    if chain is None:
        logits = outputs_of(observation.network, inputs)
        found[""] = _layer_scores(hidden_responses(observation.network, layers, inputs), len(inputs))
    else:
        found[""], logits = _scores_and_logits(chain, inputs)
    if before is not None:
        found["_initial"], _ = _scores_and_logits(before, inputs)
    found["logits"] = {"energy": energy_score(logits), "msp": largest_probability(logits)}
    found["logits"]["energy_nap"] = _combined(found, 0.5)
    if observation.geometries:
        found["channels"] = _channel_scores(observation, inputs)
    return found


def _outside(observation: NetworkObservation, inputs: Tensor) -> dict[str, Tensor]:
    """Return samples from outside by name."""
    stream = generator(observation.seed, "noise instead of data")
    drawn = torch.from_numpy(stream.standard_normal(tuple(inputs.shape), dtype=np.float32))
    outside = {"noise": inputs.mean(dim=0) + inputs.std(dim=0, correction=0) * drawn}
    if observation.twin is not None:
        outside["twin"] = observation.twin.representative("test", observation.num_samples, observation.seed)[
            0
        ]
    outside["phase"] = _phase_clone(observation.task, inputs, observation.seed)
    return outside


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


def _scores_and_logits(chain: Chain, inputs: Tensor) -> tuple[_Scores, np.ndarray]:
    """Return scores of each hidden layer of a chain, and its logits."""
    *hidden, logits = chain.responses(_array(inputs), dtype=np.float32)
    scores = _layer_scores([each[:, None] for each in hidden], len(inputs))
    may_be_negative = [name not in ("relu", "sigmoid") for name in chain.activations]
    scores["nap"][may_be_negative] = np.nan
    return scores, logits


def _layer_scores(hidden: Sequence[np.ndarray], number: int) -> _Scores:
    """Return scores of hidden responses (n, channel, place) by layer, (layer, n).

    nap is NaN where a response is negative.
    """
    scores = {
        "nap": [_prior(each) for each in hidden],
        "max": [each.max(axis=(1, 2)) for each in hidden],
        "mean": [each.mean(axis=(1, 2)) for each in hidden],
    }
    return {
        name: np.array(each, dtype=np.float64).reshape(len(hidden), number) for name, each in scores.items()
    }


def _prior(response: np.ndarray) -> np.ndarray:
    undefined = np.full(len(response), np.nan)
    return undefined if (response < 0).any() else neural_activation_prior(response)


def _channel_scores(observation: NetworkObservation, inputs: Tensor) -> _Scores:
    """Return the exact score of each layer whose inputs have channels and positions, by layer."""
    scores = {}
    geometries = observation.geometries or {}
    for layer, values in layer_inputs(observation.network, list(geometries), inputs).items():
        scores[layer] = _prior(values.numpy().reshape(len(inputs), geometries[layer].channels, -1))
    return scores


def _of_channels(both: tuple[_Scores, _Scores], name: str) -> dict[str, Quantity]:
    values = np.array([auroc(both[0][layer], both[1][layer]) for layer in both[0]])
    words = (
        f"{_AREA} {_OUTSIDE[name]}: mean over channels of (max/(mean + 1))² over positions, of the inputs of "
        f"{', '.join(both[0])} (alike: 0.5)"
    )
    return {f"auroc_nap_{name}_of_channels": Quantity(values, ("layer",), words)}


def _of_layers(both: tuple[_Scores, _Scores], name: str, weights: str) -> dict[str, Quantity]:
    """Return AUROC and FPR95 of the scores of each hidden layer, and single numbers of the last one."""
    found = {}
    words = _OUTSIDE[name] + (", with the weights that the level began with" if weights else "")
    last = {}
    for score, meaning in _OF_LAYERS.items():
        pairs = list(zip(both[0][score], both[1][score], strict=True))
        for measure, function, sentence in (("auroc", auroc, _AREA), ("fpr95", fpr95, _PASSING)):
            # nap of a layer is of all samples or of none: a part would be a choice.
            values = np.array(
                [np.nan if np.isnan(np.concatenate(pair)).any() else function(*pair) for pair in pairs]
            )
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


def _of_logits(both: tuple[_Scores, _Scores], name: str) -> dict[str, Quantity]:
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
