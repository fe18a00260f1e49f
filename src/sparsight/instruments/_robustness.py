"""The instrument ``robustness``: what a network is proved to say, and what it says under attack, in balls."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._rearranged_networks import REARRANGED_WORDS, rearranged_networks
from sparsight.instruments._registry import network_instrument
from sparsight.measure import (
    Chain,
    Method,
    certified_bounds,
    certified_margin,
    certified_radius,
    pgd_accuracy,
    sampled_range,
    switching_shares,
    verified_accuracy,
)
from sparsight.network import chain_of, evaluating

_EPSILONS = (0.003, 0.01, 0.03, 0.1)
_EPSILON = 0.03  # of the numbers that are beside controls
_LARGEST = {"inf": 1.0, "2": 10.0}
_SAMPLES = 100
_POINTS = 40
_MOST_PRODUCTS = 1e6  # a sample's multiplications for linear bounds, above which the cheaper ranges are used

_BALL = f"‖δ‖∞ ≤ ε; at most {_SAMPLES} test samples"
_TIGHTEST = (
    "by linear functions backward from linear ranges (crown_linear); from intervals (crown_interval) in deep "
    "networks, where those cost more; by intervals with other activations than ReLU"
)
_AT = f"at ε = {_EPSILON}"
_DEFINITIONS = {
    "epsilon": "radii ε of the balls, in units of the standardised inputs",
    "accuracy": "share of the same test samples that are classified correctly: ε = 0",
    "verified_interval": f"share of samples proved to be classified correctly for all {_BALL}; by intervals",
    "verified_linear": f"share of samples proved to be classified correctly for all {_BALL}; by linear "
    "functions forward",
    "verified_crown": f"share of samples proved to be classified correctly for all {_BALL}; {_TIGHTEST}",
    "attacked": f"share of samples that projected gradient descent leaves classified correctly, {_BALL}; 3 "
    "starts of 10 steps: an upper bound of what can be verified",
    "dead": f"share of pairs of hidden ReLU and sample that are off for all {_BALL}; units without an input "
    "are not counted",
    "alive": f"the same that are on for all {_BALL}",
    "unstable": f"the same that are not proved to be either, {_BALL}",
    "verified_accuracy": f"verified_crown {_AT}",
    "attacked_accuracy": f"attacked {_AT}",
    "certification_gap": f"attacked − verified_crown {_AT}: looseness of the bounds and "
    "weakness of the attack",
    "unstable_share": f"unstable {_AT}",
    "certified_radius": f"mean over samples of the radius within 1 % of the largest that is proved, ‖δ‖∞, at "
    f"most {_LARGEST['inf']:g}; 0 where the class is wrong; {_TIGHTEST}",
    "certified_radius_euclidean": f"the same for the Euclidean norm, at most {_LARGEST['2']:g}",
    "proved_share": f"share of samples whose own prediction, right or wrong, is proved {_AT}; {_TIGHTEST}",
    "relative_width": f"mean over logits of the width of the certified range {_AT} over the standard "
    f"deviation of the logit over samples; {_TIGHTEST}",
    "looseness": f"mean width of the certified range of the logits {_AT} over the mean width that {_POINTS} "
    f"points of each ball reach (exact bounds: near 1); {_TIGHTEST}",
}
_BESIDE_CONTROLS = ("proved_share", "relative_width", "looseness")


@network_instrument("robustness")
def measure_robustness(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return certified bounds, verified accuracy and accuracy under attack of a level, on test samples.

    Any sparse network is easier to bound than a dense one. What does not need labels is therefore beside the
    same number of networks with the same weights at other places (``_same_count``, ``_same_fan_in``,
    ``_permuted``); verified accuracy is compared with the condition of random pruning. A network that is not
    a chain of linear layers has its accuracy under attack only, and a warning says why.

    Source: Lyu et al., arXiv 2104.00447; see `sparsight.certified_bounds`.
    """
    inputs, labels = (
        each.numpy()
        for each in observation.task.representative(
            "test", min(_SAMPLES, observation.num_samples), observation.seed
        )
    )
    network: Chain | nn.Module = observation.network
    try:
        network = chain_of(observation.network)
    except InputError as error:
        warnings.warn(
            f"robustness: no bounds are computed, only the attack, because {error}", UserWarning, stacklevel=2
        )
    proved = _proved(network, inputs, labels) if isinstance(network, Chain) else None
    with evaluating(observation.network):
        attacked = pgd_accuracy(
            network, inputs, labels, epsilons=(0.0, *_EPSILONS), seed=observation.seed, proved=proved
        )
    found: dict[str, float | np.ndarray] = {
        "epsilon": np.array(_EPSILONS),
        "accuracy": float(attacked[0]),
        "attacked": attacked[1:],
        "attacked_accuracy": float(attacked[1:][_EPSILONS.index(_EPSILON)]),
    }
    quantities: dict[str, Quantity] = {}
    if isinstance(network, Chain) and proved is not None:
        found |= _verified(network, inputs, labels, proved[1:].mean(axis=1))
        found["certification_gap"] = found["attacked_accuracy"] - found["verified_accuracy"]
        own = _without_labels(network, inputs, observation.seed)
        for name in _BESIDE_CONTROLS:
            quantities[name] = Quantity(own[name], (), _DEFINITIONS[name])
        for control, rearranged in rearranged_networks(observation):
            beside = _without_labels(chain_of(rearranged), inputs, observation.seed)
            for name in _BESIDE_CONTROLS:
                words = f"{_DEFINITIONS[name]}: the same weights {REARRANGED_WORDS[control]}"
                quantities[f"{name}_{control}"] = Quantity(beside[name], (), words)
    return {
        name: Quantity(value, ("epsilon",) * np.ndim(value), _DEFINITIONS[name])
        for name, value in found.items()
    } | quantities


def _method(chain: Chain) -> Method:
    """Return the tightest method that a chain allows at an affordable price."""
    if not set(chain.activations) <= {"relu", "linear"}:
        return "interval"
    return "crown_linear" if _linear_is_affordable(chain) else "crown_interval"


def _linear_is_affordable(chain: Chain) -> bool:
    # Slopes of the first layer are shared by all samples; those of deeper ones are a product for each sample.
    products = sum(weight.size for weight in chain.weights[1:-1]) * chain.num_inputs
    return products <= _MOST_PRODUCTS


def _proved(chain: Chain, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which samples are proved to be classified correctly, (1 + epsilon, n); none without a ball."""
    margins = [
        certified_margin(chain, inputs, labels, epsilon=each, method=_method(chain)) for each in _EPSILONS
    ]
    return np.concatenate([np.zeros((1, len(inputs)), dtype=bool), np.stack(margins) > 0])


def _verified(
    chain: Chain, inputs: np.ndarray, labels: np.ndarray, by_crown: np.ndarray
) -> dict[str, float | np.ndarray]:
    method = _method(chain)
    methods: dict[str, Method] = {"verified_interval": "interval"}
    if method == "crown_linear":
        methods["verified_linear"] = "linear"
    found: dict[str, float | np.ndarray] = {
        name: verified_accuracy(chain, inputs, labels, epsilons=_EPSILONS, method=each)
        for name, each in methods.items()
    }
    place = _EPSILONS.index(_EPSILON)
    found["verified_crown"], found["verified_accuracy"] = by_crown, float(by_crown[place])
    radius: Callable[..., np.ndarray] = certified_radius
    for name, norm in (("certified_radius", "inf"), ("certified_radius_euclidean", "2")):
        radii = radius(chain, inputs, labels, norm=norm, method=method, largest=_LARGEST[norm])
        found[name] = float(radii.mean())
    if chain.activations and set(chain.activations) == {"relu"}:
        ranges: Method = "linear" if method == "crown_linear" else "interval"
        shares = [switching_shares(chain, inputs, epsilon=each, method=ranges) for each in _EPSILONS]
        for name in ("dead", "alive", "unstable"):
            found[name] = np.array([getattr(each, name) for each in shares])
        found["unstable_share"] = shares[place].unstable
    return found


def _without_labels(chain: Chain, inputs: np.ndarray, seed: int) -> dict[str, float]:
    """Return what is proved of a network's own predictions, and how wide its certified ranges are."""
    method, logits = _method(chain), chain.logits(inputs)
    margins = certified_margin(chain, inputs, logits.argmax(axis=1), epsilon=_EPSILON, method=method)
    bounds = certified_bounds(chain, inputs, epsilon=_EPSILON, method=method)
    reached = sampled_range(chain, inputs, epsilon=_EPSILON, num_points=_POINTS, seed=seed)
    width, spread = (bounds.upper - bounds.lower).mean(axis=0), logits.std(axis=0)
    return {
        "proved_share": float((margins > 0).mean()),
        "relative_width": _ratio(width, spread),
        "looseness": _ratio(width.mean(keepdims=True), (reached.upper - reached.lower).mean().reshape(1)),
    }


def _ratio(values: np.ndarray, over: np.ndarray) -> float:
    """Return the mean ratio over entries that vary; NaN where none does, as behind a severed layer."""
    varies = over > 1e-12 * max(1.0, float(np.abs(values).max(initial=0.0)))
    return float((values[varies] / over[varies]).mean()) if varies.any() else float("nan")
