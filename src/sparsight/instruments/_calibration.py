"""The instrument ``calibration``: whether the confidences of a level are the shares in which it is right."""

from collections.abc import Mapping

import numpy as np
from scipy import special

from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import NUM_BINS, calibrated_ece, calibration
from sparsight.network import outputs_of

_NUM_DRAWS = 20
_MEANINGS = {
    "ece": f"expected calibration error of the largest probability, {NUM_BINS} bins of equal mass (read it "
    "beside ece_calibrated)",
    "brier": "mean of Σ (p_c − [y = c])² over the classes c (0 to 2)",
    "nll": "mean of −log p of the true class, in nats",
    "confidence_when_wrong": "mean largest probability of the samples that are classified wrongly; NaN "
    "without any",
}
_PER_CLASS = {
    "accuracy": "share of the samples of each class that are classified correctly",
    "brier": "the same over the samples of each class",
    "nll": "the same over the samples of each class",
    "confidence_when_wrong": "the same over the samples of each class",
    "ece": f"expected calibration error of p_c as the probability of class c, over all samples, {NUM_BINS} "
    "bins of equal mass",
}


@network_instrument("calibration")
def measure_calibration(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return the `Calibration` of a level, on held-out samples; see `sparsight.calibration`.

    Probabilities are the softmax of the outputs, which a training with the loss ``mse`` does not aim at. The
    error of exact probabilities on as many samples, ``ece_calibrated``, is the control of the sample's size.
    All of these numbers follow accuracy: compare conditions at equal accuracy, not at equal density
    (`sparsight.store.at_equal_accuracy`).

    Source: the confidences that Cunnington, Law, Russo & Lobo weigh examples with, arXiv 2106.13103.
    """
    inputs, labels = observation.held_out_samples()
    logits = outputs_of(observation.network, inputs)
    found = calibration(logits, labels.numpy())
    by_chance = calibrated_ece(
        special.softmax(logits, axis=1).max(axis=1), num_draws=_NUM_DRAWS, seed=observation.seed
    )
    numbers = {name: Quantity(getattr(found, name), (), words) for name, words in _MEANINGS.items()}
    by_class = {
        f"{name}_per_class": Quantity(np.asarray(getattr(found, f"{name}_per_class")), ("class",), words)
        for name, words in _PER_CLASS.items()
    }
    return numbers | by_class | {
        "ece_calibrated": Quantity(
            by_chance,
            (),
            f"ece if every sample were right with the probability that its confidence says, mean of "
            f"{_NUM_DRAWS} draws",
        ),
        "ece_beyond_calibrated": Quantity(
            found.ece - by_chance, (), "ece − ece_calibrated (exact probabilities: 0)"
        ),
        "overconfidence": Quantity(
            found.confidence - found.accuracy, (), "mean largest probability − accuracy (calibrated: 0)"
        ),
    }  # fmt: skip
