"""Every claim on results where it is true, false, and undecidable by construction."""

import numpy as np
import pytest

from sparsight.reproduce import select_claims
from sparsight.reproduce._claim import find, verdict_of
from sparsight.reproduce._one_neuron import GAINS, NETWORKS, gain_name
from tests.reproduce.planted import NUM_LEVELS, NUM_UNITS, planted

LEVELS = np.arange(NUM_LEVELS)
WITHIN = "_within_class"


def _verdict(name, results, study=None):
    """The verdict on the claim from its predictions in one study (or in all, given the same results)."""
    claim = select_claims()[name]
    findings = [find(p, results) for p in claim.predictions if study in (None, p.study)]
    assert findings
    return verdict_of(findings)


def _locality(imp=4.0, one_shot=2.0, random=1.0, far=0.5, **options):
    near = {"imp": imp, "one_shot": one_shot, "random": random}
    means = {(f"locality.{name}", c): v for c, v in near.items() for name in ("near", "near_configuration")}
    means |= {("locality.far", c): far if c == "imp" else 1.0 for c in near}
    return planted(means, **options)


@pytest.mark.parametrize(
    ("truth", "verdict"),
    [
        ({}, "supported"),
        ({"imp": 1.0, "far": 1.0}, "mixed"),  # only random pruning is as predicted: it gives none
        ({"imp": 1.0, "far": 1.0, "random": 1.5}, "contradicted"),
        ({"one_shot": 5.0}, "mixed"),
        ({"random": 1.5}, "mixed"),
        ({"noise": 20.0}, "undecided"),
        ({"num_replicates": 1}, "undecided"),
    ],
)
def test_locality(truth, verdict):
    assert _verdict("locality", _locality(**truth)) == verdict


@pytest.mark.parametrize(
    ("twin", "noise", "verdict"),
    [(1.0, 0.05, "supported"), (2.0, 0.05, "contradicted"), (1.05, 1.0, "undecided")],
)
def test_necessity(twin, noise, verdict):
    near = {"imp": 4.0, "images": 4.0, "twin": twin}
    results = planted({("locality.near", c): v for c, v in near.items()}, noise=noise)
    assert _verdict("necessity", results) == verdict


@pytest.mark.parametrize(
    ("effect", "noise", "verdict"),
    [(1.0, 0.05, "supported"), (-1.0, 0.05, "contradicted"), (0.0, 1.0, "undecided")],
)
def test_more_than_twin(effect, noise, verdict):
    near = {"imp": 3 + effect, "images": 3 + effect}
    near |= dict.fromkeys(("twin", "twin_shared", "twin_matched", "phase"), 3.0)
    for dose, gain in enumerate(("0_3", "1", "3", "10")):
        near |= {f"gain_{gain}": 3 + effect * dose, f"gain_{gain}_twin": 3.0}
    means = {("locality.near", c): v for c, v in near.items()}
    means |= {(f"locality.{name}", c): 1.0 for name in ("far", "radius_of_gyration") for c in near}
    assert _verdict("more-than-twin", planted(means, noise=noise)) == verdict


@pytest.mark.parametrize(
    ("imp", "beyond_mask", "random", "noise", "verdict"),
    [
        (0.2, 0.1, 0.1, 0.01, "supported"),
        (-0.2, -0.1, 0.1, 0.01, "contradicted"),
        (0.2, 0.1, 0.3, 0.01, "mixed"),  # rises, but less than under random pruning
        (0.2, -0.1, 0.1, 0.01, "mixed"),  # rises as fewer summands do
        (0.2, 0.1, 0.1, 5.0, "undecided"),
    ],
)
def test_non_gaussianity(imp, beyond_mask, random, noise, verdict):
    means = {}
    for statistic in ("abs_excess_kurtosis", "negentropy", "excess_kurtosis"):
        for condition, rise in (("imp", imp), ("random", random), ("twin", 0.0)):
            means[f"gaussianity.{statistic}{WITHIN}", condition] = 0.1 + rise * LEVELS
            beyond = beyond_mask if condition == "imp" else 0.0
            for control in ("random_mask", "shuffled"):
                means[f"gaussianity.{statistic}_beyond_{control}{WITHIN}", condition] = beyond * LEVELS
    assert _verdict("non-gaussianity", planted(means, noise=noise)) == verdict


@pytest.mark.parametrize(
    ("plain", "matched", "twin", "noise", "verdict"),
    [
        (0.1, 0.05, 0.0, 0.002, "supported"),
        (-0.1, -0.05, 0.1, 0.002, "contradicted"),
        (-0.1, -0.05, 0.0, 0.002, "mixed"),  # only the twin is as predicted: it has none
        (0.1, -0.05, 0.0, 0.002, "mixed"),  # an effect of size alone
        (0.1, 0.05, 0.1, 0.002, "mixed"),  # the twin also has it
        (0.1, 0.05, 0.0, 0.5, "undecided"),
    ],
)
def test_cavity(plain, matched, twin, noise, verdict):
    means = {}
    for condition, factor in (("imp", 1.0), ("random", 0.0), ("twin", 0.0)):
        for sign in ("delta_abs_kurtosis", "delta_kurtosis"):
            own = twin if condition == "twin" else plain * factor
            means[f"cavity.{sign}_difference", condition] = own
            means[f"cavity_within_class.{sign}_difference", condition] = own
            means[f"cavity_within_class.{sign}_matched_difference", condition] = matched * factor
            means[f"cavity_within_class.{sign}_difference_twin", condition] = 0.0
    assert _verdict("cavity", planted(means, noise=noise)) == verdict


@pytest.mark.parametrize(
    ("effect", "num_replicates", "verdict"),
    [(1.0, 10, "supported"), (-1.0, 10, "contradicted"), (0.0, 3, "undecided")],
)
def test_feedback(effect, num_replicates, verdict):
    stream = np.random.default_rng(0)
    shape = (num_replicates, NUM_LEVELS, NUM_UNITS)
    per_unit = {}
    for condition in ("imp", "random", "twin"):
        cause = stream.normal(size=shape)
        gain = (effect if condition == "imp" else 0.0) * cause + stream.normal(size=shape)
        # The cause at level t acts between t + 1 and t + 2.
        near = np.concatenate([np.ones((num_replicates, 2, NUM_UNITS)), 1 + np.cumsum(gain, axis=1)], axis=1)
        name = "cavity_within_class.delta_abs_kurtosis_difference_per_unit"
        per_unit[name, condition] = cause
        per_unit["locality.near_per_unit", condition] = near[:, :-2]
        per_unit["locality.fan_in_per_unit", condition] = stream.integers(3, 9, size=shape).astype(float)
    results = planted({}, per_unit=per_unit, num_replicates=num_replicates)
    assert _verdict("feedback", results) == verdict


@pytest.mark.parametrize(
    ("cavity", "reverse", "accuracy", "noise", "verdict"),
    [
        (3.0, 1.0, 0.95, 0.005, "supported"),
        (1.0, 3.0, 0.80, 0.005, "contradicted"),
        (1.0, 3.0, 0.95, 0.005, "mixed"),  # accurate, but not local
        (3.0, 1.0, 0.80, 0.005, "mixed"),  # local, but it no longer classifies
        (3.0, 1.0, 0.95, 5.0, "undecided"),
    ],
)
def test_causal(cavity, reverse, accuracy, noise, verdict):
    near = {"cavity": cavity, "cavity_matched": cavity, "cavity_reverse": reverse}
    near |= {"random": 1.0, "magnitude": 3.0}
    means = {("locality.near", c): v for c, v in near.items()}
    means |= {("test_accuracy", c): accuracy if c == "cavity" else 0.95 for c in near}
    assert _verdict("causal", planted(means, noise=noise)) == verdict


@pytest.mark.parametrize(
    ("sub", "heavy", "noise", "verdict"),
    [
        (1.0, 0.0, 0.05, "supported"),
        (-1.0, 1.0, 0.05, "contradicted"),
        (-1.0, 0.0, 0.05, "mixed"),
        (1.0, 1.0, 0.05, "mixed"),
        (1.0, 0.0, 5.0, "undecided"),
    ],
)
def test_sign_and_kind(sub, heavy, noise, verdict):
    near = {f"{kind}_twin": 2.0 for kind in ("nlgp", "ising", "laplace", "pulses")}
    near |= dict.fromkeys(("nlgp", "ising"), 2.0 + sub)
    near |= dict.fromkeys(("elliptical", "laplace", "pulses"), 2.0 + heavy)
    results = planted({("locality.near", c): v for c, v in near.items()}, noise=noise)
    assert _verdict("sign-and-kind", results) == verdict


@pytest.mark.parametrize(
    ("large", "noise", "verdict"),
    [(0.974, 0.001, "supported"), (0.3, 0.001, "mixed"), (0.974, 0.3, "undecided")],
)
def test_one_neuron(large, noise, verdict):
    values = {gain_name(gain): 0.06 if gain < 0.3 else large for gain in GAINS}
    values[gain_name(GAINS[-1])] = 0.991
    means = {("one_neuron.ipr", c): v for c, v in values.items()}
    # What networks do decides nothing.
    means |= {("one_neuron.localised_share", c): 0.5 for c in NETWORKS}
    results = planted(means, noise=noise)
    assert _verdict("one-neuron", results) == verdict


@pytest.mark.parametrize(
    ("effect", "noise", "verdict"),
    [(0.5, 0.05, "supported"), (-0.5, 0.05, "contradicted"), (0.0, 1.0, "undecided")],
)
def test_data_and_labels(effect, noise, verdict):
    near = {"images_2000": 3 - effect, "images_8000": 3.0, "images_32000": 3 + effect}
    near |= dict.fromkeys(("random_labels", "two_classes"), 3 - effect)
    results = planted({("locality.near", c): v for c, v in near.items()}, noise=noise)
    assert _verdict("data-and-labels", results) == verdict
