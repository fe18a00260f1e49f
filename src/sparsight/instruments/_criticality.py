"""The instrument ``criticality``: the edge of chaos, and whether masks leave a Gaussian process."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._rearranged_networks import (
    REARRANGED_WORDS,
    REARRANGEMENTS,
    chain_and_masks,
    network_in,
)
from sparsight.instruments._registry import network_instrument
from sparsight.measure import (
    Chain,
    bernoulli_mask_kurtosis,
    gp_kurtosis,
    layer_states,
    mask_kurtosis,
    mean_of_defined,
    susceptibilities,
)
from sparsight.prune import rearranged
from sparsight.train import Masks

_SAMPLES = 500  # on which χ and mask_kurtosis are means
_REDRAWN_SAMPLES = 4
_DRAWS = 2000

_WHEN = {"initial": "before training (at the initial or rewound weights)", "trained": "after training"}
_ARRAYS = {
    "weight_variance": "effective σ_w² of each hidden layer, Σ W² / units",
    "bias_variance": "effective σ_b² of each hidden layer, mean b²",
    "predicted": "χ = σ_w² E φ'(√q* z)² of each hidden layer at the fixed point of mean field theory",
    "measured": "χ of each hidden layer on training samples: mean Σ (D W)² / units, D the slopes φ'(λ)",
}
_DISTANCES = {
    "distance_predicted": "mean over hidden layers of log χ, predicted by mean field theory from σ_w² and "
    "σ_b² (the edge of chaos: 0; below: order)",
    "distance_measured": "mean over hidden layers of log χ, measured on training samples (the edge of "
    "chaos: 0)",
}
_KURTOSES = {
    "gp_kurtosis": f"excess kurtosis of the logits over {_DRAWS} redraws of Gaussian weights under the "
    f"masks, with the variances of each layer's kept weights and of its biases; mean over logits and "
    f"{_REDRAWN_SAMPLES} training samples (a Gaussian process: 0)",
    "mask_kurtosis": "excess kurtosis over units of pre-activations with independent Gaussian weights under "
    "the masks, 3 Var(v) / mean(v)² with v = Σ h² over a unit's inputs; mean over masked layers and samples",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Architecture:
    """A chain with its masks, the variances to redraw its weights with, and what its layers receive."""

    masks: Sequence[np.ndarray]
    is_masked: Sequence[bool]
    activation: str
    weight_variances: Sequence[float]
    bias_variances: Sequence[float]
    received: Sequence[np.ndarray]


@network_instrument("criticality")
def measure_criticality(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return where a level is relative to the edge of chaos, and how far its architecture is from Gaussian.

    The susceptibility χ is measured before and after training. Kurtoses of the masks are beside random masks
    of equal counts (what is proved for random networks), of equal fan-in, and with rows and columns permuted
    (the exchangeable construction); ``mask_kurtosis_bernoulli`` is the closed null. Weights of before
    training where they are known for all kept weights, those after training otherwise. A network that is
    not a chain of linear layers, each with its activation, has no value, and a warning says why.

    Source: after Nait Saada, Naderi & Tanner, arXiv 2310.16597. Masks of pruning are not exchangeable, so
    that their theorem does not cover them.
    """
    try:
        trained = chain_and_masks(observation.network, observation.masks)[0]
    except InputError as error:
        warnings.warn(f"criticality: nothing is computed, because {error}", UserWarning, stacklevel=2)
        return {}
    inputs = observation.task.representative(
        "train", min(_SAMPLES, observation.num_samples), observation.seed
    )[0].numpy()
    networks: dict[str, Chain] = {"trained": trained}
    network: nn.Module = observation.network
    initial = getattr(observation.level, "initial_of_kept", None)
    if initial:
        network = network_in(observation, initial, observation.masks)
        networks["initial"] = chain_and_masks(network, observation.masks)[0]
    found: dict[str, Quantity] = {}
    for when, chain in networks.items():
        found |= _susceptibilities(chain, inputs, when)
    chain, masks = chain_and_masks(network, observation.masks)
    architecture = _architecture(chain, masks, inputs)
    for name, value in _kurtoses(architecture, masks, observation.seed).items():
        found[name] = Quantity(value, (), _KURTOSES[name])
    found["mask_kurtosis_bernoulli"] = Quantity(
        _bernoulli(architecture), (), f"{_KURTOSES['mask_kurtosis']}: if every weight is kept independently"
    )
    for control, how in REARRANGEMENTS.items():
        moved = rearranged(observation.masks, how, observation.seed)
        values = _kurtoses(architecture, _masks_of(network, moved), observation.seed)
        for name, value in values.items():
            found[f"{name}_{control}"] = Quantity(
                value, (), f"{_KURTOSES[name]}: the same {REARRANGED_WORDS[control]}"
            )
    return found


def _masks_of(network: nn.Module, masks: Masks) -> list[np.ndarray]:
    return chain_and_masks(network, masks)[1]


def _susceptibilities(chain: Chain, inputs: np.ndarray, when: str) -> dict[str, Quantity]:
    found = susceptibilities(chain, inputs)
    quantities = {
        f"{name}_{when}": Quantity(getattr(found, name), ("depth",), f"{words}; {_WHEN[when]}")
        for name, words in _ARRAYS.items()
    }
    for name, values in (("distance_predicted", found.predicted), ("distance_measured", found.measured)):
        # A severed layer has χ = 0, infinitely far in order; a number that no mean can use.
        logarithms = np.log(values[values > 0]) if len(values) and (values > 0).all() else np.array([np.nan])
        quantities[f"{name}_{when}"] = Quantity(
            float(logarithms.mean()), (), f"{_DISTANCES[name]}; {_WHEN[when]}"
        )
    return quantities


def _architecture(chain: Chain, masks: Sequence[np.ndarray], inputs: np.ndarray) -> _Architecture:
    kept = [weight[mask] for weight, mask in zip(chain.weights, masks, strict=True)]
    return _Architecture(
        masks=masks,
        is_masked=[not mask.all() for mask in masks],
        activation=chain.activations[0] if chain.activations else "linear",
        weight_variances=[float((each**2).mean()) if each.size else 0.0 for each in kept],
        bias_variances=[float((bias**2).mean()) for bias in chain.biases],
        received=layer_states(chain, inputs)[0],
    )


def _kurtoses(architecture: _Architecture, masks: Sequence[np.ndarray], seed: int) -> dict[str, float]:
    by_layer = [
        mask_kurtosis(mask, received)
        for mask, received, is_masked in zip(
            masks, architecture.received, architecture.is_masked, strict=True
        )
        if is_masked
    ]
    return {
        "gp_kurtosis": gp_kurtosis(
            masks,
            architecture.received[0][:_REDRAWN_SAMPLES],
            activation=architecture.activation,
            weight_variances=architecture.weight_variances,
            bias_variances=architecture.bias_variances,
            num_draws=_DRAWS,
            seed=seed,
        ),
        "mask_kurtosis": mean_of_defined(np.array(by_layer)) if by_layer else 0.0,
    }


def _bernoulli(architecture: _Architecture) -> float:
    by_layer = [
        bernoulli_mask_kurtosis(float(mask.mean()), received)
        for mask, received in zip(architecture.masks, architecture.received, strict=True)
        if mask.any() and not mask.all()
    ]
    return mean_of_defined(np.array(by_layer)) if by_layer else 0.0
