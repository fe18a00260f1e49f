"""The instrument ``noise``: whether closed-form moments of noise hold in a level, and what noise costs it."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from sparsight.instruments._chains import chain_or_warning, rearranged_chain
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import Chain, accuracy_by_noise, noise_moments, sampled_noise, switching_logits

_VARIANCES: Final = (0.01, 0.1, 0.25)
_SHOWN = 1  # which of them single numbers are of
_SPREADS: Final = (0.0, 0.5, 1.0)
_NUM_INPUTS = 16  # samples whose variances are pooled
_NUM_DRAWS = 128
_NUM_NOISY = 10_000  # draws of a noisy sample behind an accuracy, at least
_NUM_SWITCHES = 20

_NOISE = "noise that multiplies every input of every layer"
_AT = f"σ² = {_VARIANCES[_SHOWN]}"
_POOLED = f"summed over {_NUM_INPUTS} held-out samples and the logits, {_NUM_DRAWS} draws each"
_RATIOS = {
    "variance_ratio": f"variance of the logits under {_NOISE}: closed form over sampling, {_POOLED}",
    "correlation_ratio": "the same, closed form over Gaussian units of the true covariance: the part of "
    "variance_ratio that is due to correlated units",
    "gaussianity_ratio": "the same, Gaussian units of the true covariance over sampling: the part of "
    "variance_ratio that is due to units that are not Gaussian",
}
_CONTROLS = {
    "random_mask": "each unit's weights on random inputs of its layer",
    "permuted_mask": "units and inputs of every layer permuted",
    "twin": "on samples of the Gaussian twin",
}


@network_instrument("noise", uses_twin=True)
def measure_noise(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return whether the assumptions of moment propagation hold in a level, and its accuracy under noise.

    `sparsight.measure.noise_moments` takes units for independent and pre-activations for Gaussian. Ratios of
    1 say that this does no harm. Their product structure, variance_ratio = correlation_ratio ·
    gaussianity_ratio, says which of the two fails.

    Source: Schmitt & Roth, arXiv 2103.08497; the switches after Xu et al., arXiv 2504.08257.
    """
    chain = chain_or_warning(observation, "noise")
    if chain is None:
        return {}
    inputs, labels = (each.numpy() for each in observation.held_out_samples())
    first, seed = inputs[:_NUM_INPUTS], observation.seed
    found = _own(chain, first, seed)
    others: dict[str, tuple[Chain, np.ndarray] | None] = {
        "random_mask": (rearranged_chain(chain, "unit", seed), first),
        "permuted_mask": (rearranged_chain(chain, "rows_columns", seed), first),
        "twin": None,
    }
    if observation.twin is not None:
        of_twin = observation.twin.representative("test", observation.num_samples, seed)[0].numpy()
        others["twin"] = (chain, of_twin[:_NUM_INPUTS])
    for control, what in others.items():
        ratios = np.full((3, 1), np.nan) if what is None else _ratios(*what, _VARIANCES[_SHOWN], seed)
        for name, value in zip(_RATIOS, ratios, strict=True):
            words = f"{name}: {_CONTROLS[control]}, {_AT}"
            found[f"{name}_{control}"] = Quantity(float(value[-1]), (), words)
    return found | _accuracies(chain, inputs, labels, seed)


def _own(chain: Chain, inputs: np.ndarray, seed: int) -> dict[str, Quantity]:
    by_noise = np.stack([_ratios(chain, inputs, each, seed) for each in _VARIANCES])  # (noise, ratio, layer)
    found = {
        "variance_ratio_by_layer": Quantity(
            by_noise[_SHOWN, 0],
            ("chain_layer",),
            f"variance_ratio of the pre-activations of each layer, {_AT}; the last ones are the logits",
        )
    }
    for place, (name, words) in enumerate(_RATIOS.items()):
        values = by_noise[:, place, -1]
        found[name] = Quantity(float(values[_SHOWN]), (), f"{words}; {_AT} (assumptions hold: 1)")
        found[f"{name}_by_noise"] = Quantity(values, ("noise",), f"{words}; σ² = {_listed(_VARIANCES)}")
    return found


def _ratios(chain: Chain, inputs: np.ndarray, noise_variance: float, seed: int) -> np.ndarray:
    """Return the three ratios of each layer, (3, layer); NaN where noise changes nothing."""
    analytic = noise_moments(chain, inputs, noise_variance=noise_variance)
    sampled = sampled_noise(chain, inputs, noise_variance=noise_variance, num_draws=_NUM_DRAWS, seed=seed)
    totals = np.array(
        [[each.variance.sum() for each in layers] for layers in (analytic, sampled.gaussian, sampled.layers)]
    )
    closed, gaussian, truth = np.where(totals > 0, totals, np.nan)
    return np.stack([closed / truth, closed / gaussian, gaussian / truth])


def _accuracies(chain: Chain, inputs: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, Quantity]:
    num_draws = -(-_NUM_NOISY // len(inputs))
    clean = float((chain.logits(inputs).argmax(axis=1) == labels).mean())
    accuracies = accuracy_by_noise(
        chain, inputs, labels, noise_variances=_VARIANCES, num_draws=num_draws, seed=seed
    )
    found = {
        "accuracy_by_noise": Quantity(
            accuracies, ("noise",), f"held-out accuracy under {_NOISE}; σ² = {_listed(_VARIANCES)}"
        ),
        "accuracy_lost": Quantity(
            clean - float(accuracies[_SHOWN]),
            (),
            f"held-out accuracy without noise minus with it, {_AT}, at least {_NUM_NOISY} noisy samples (no "
            "effect: 0)",
        ),
    }
    if chain.activations and set(chain.activations) == {"sigmoid"}:
        of_switches = [
            (_switched(chain, inputs, spread, seed).argmax(axis=1) == labels).mean() for spread in _SPREADS
        ]
        found["accuracy_of_switches"] = Quantity(
            np.array(of_switches),
            ("spread",),
            f"held-out accuracy of the mean logits of {_NUM_SWITCHES} draws if hidden units are switches "
            "that are on with the probability of their sigmoid, with offsets and widths of devices that "
            "spread by "
            f"{_listed(_SPREADS)}",
        )
    return found


def _switched(chain: Chain, inputs: np.ndarray, spread: float, seed: int) -> np.ndarray:
    return switching_logits(chain, inputs, spread=spread, num_draws=_NUM_SWITCHES, seed=seed)


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{each:g}" for each in numbers)
