"""Every claim on results where it is true, false, and undecidable by construction."""

import functools
import operator
import re

import numpy as np
import pytest

from sparsight.reproduce import select_claims
from sparsight.reproduce._claim import find, verdict_of
from sparsight.reproduce._one_neuron import GAINS, NETWORKS, gain_name
from sparsight.reproduce._study import load_study
from tests.reproduce.planted import NUM_UNITS, planted

NUM_LEVELS = 7  # down to a density of 0.047, at which the claims are decided
LEVELS = np.arange(NUM_LEVELS)
NULLS = {"locality.far": 1.0, "locality.radius_of_gyration": 1.0, "locality.near": 1.0, "test_accuracy": 0.9}
"""Values without an effect; of every other quantity 0."""


def _verdict(name, truths, noise=0.002, num_replicates=10):
    """The verdict on a claim from planted results.

    `truths` gives values of (quantity, condition), one or one per level; all else has its null value.
    """
    claim = select_claims()[name]
    means, findings, results = dict(truths), [], {}
    predictions = list(claim.predictions)
    while predictions:
        study = predictions[0].study
        if study not in results:
            full = _completed(means, study)
            results[study] = planted(full, noise=noise, num_replicates=num_replicates, num_levels=NUM_LEVELS)
        try:
            findings.append(find(predictions[0], results[study]))
            predictions.pop(0)
        except KeyError as missing:  # a quantity that this test says nothing about
            quantity = re.search(r"[a-z_]+\.[a-z_]+", str(missing)).group()
            means[quantity, None] = NULLS.get(quantity, 0.0)
            results.clear()
    return verdict_of(findings)


@functools.cache
def _conditions(study):
    return load_study(study, "laptop").condition_names()


def _completed(means, study):
    conditions = _conditions(study)
    quantities = {quantity for quantity, _ in means} | set(NULLS)
    full = {(q, c): NULLS.get(q, 0.0) for q in quantities for c in conditions}
    return full | {key: value for key, value in means.items() if key[1] in conditions}


def _local(*conditions, share=0.3, far=0.5, radius=0.7, near=3.0):
    values = {
        "locality.attained_share": share,
        "locality.far": far,
        "locality.radius_of_gyration": radius,
        "locality.near": near,
    }
    return {(quantity, condition): value for condition in conditions for quantity, value in values.items()}


def _waves(*conditions):
    """Many neighbours, and as many far pairs as by chance."""
    return _local(*conditions, share=0.2, far=1.0, radius=1.0, near=2.8)


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_local("imp"), 0.002, "supported"),
        (_waves("imp"), 0.002, "mixed"),  # smooth, and not local
        ({}, 0.002, "mixed"),  # random pruning alone is as predicted
        (_local("random"), 0.002, "contradicted"),
        (_local("imp", "one_shot_long"), 0.002, "mixed"),  # as many steps do it without rounds
        (_local("imp", "random"), 0.002, "mixed"),
        (_local("imp"), 5.0, "undecided"),
    ],
)
def test_locality(truths, noise, verdict):
    assert _verdict("locality", truths, noise) == verdict


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_local("ring") | _waves("narrow", "narrow_sign"), 0.002, "supported"),
        (_local("ring", "narrow", "narrow_sign"), 0.002, "mixed"),
        (_local("ring", "narrow_sign") | _waves("narrow"), 0.002, "mixed"),
        (_local("ring") | _waves("narrow", "narrow_sign"), 5.0, "undecided"),
    ],
)
def test_task_locality(truths, noise, verdict):
    assert _verdict("task-locality", truths, noise) == verdict


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_local("imp", "images"), 0.002, "supported"),
        (_local("imp", "images", "twin"), 0.002, "contradicted"),
        (_local("imp", "images") | _waves("twin"), 0.002, "mixed"),  # neighbours without an envelope
        (_local("imp", "images"), 5.0, "undecided"),
    ],
)
def test_necessity(truths, noise, verdict):
    assert _verdict("necessity", truths, noise) == verdict


@pytest.mark.parametrize(
    ("twin", "noise", "verdict"),
    [
        ({}, 0.002, "supported"),
        ({"far": 0.8, "radius": 0.9}, 0.002, "mixed"),  # local, less than the data
        ({"far": 0.5}, 5.0, "undecided"),
    ],
)
def test_envelope_equivalence(twin, noise, verdict):
    truths = _local("imp", "images_teacher") | _local("twin", "twin_global", **twin)
    assert _verdict("envelope-equivalence", truths, noise) == verdict


@pytest.mark.parametrize(
    ("effect", "noise", "verdict"),
    [
        (0.15, 0.002, "supported"),
        (-0.15, 0.002, "contradicted"),
        (0.001, 0.002, "equivalent"),
        (0.1, 2.0, "undecided"),
    ],
)
def test_more_than_twin(effect, noise, verdict):
    truths = {}
    for data, twin in (("imp", "twin"), ("images_teacher", "twin_global"), ("images", "twin")):
        truths |= _local(data, share=0.3 + effect) | _local(twin, share=0.3)
    for dose, gain in enumerate(("0_3", "1", "3", "10")):
        truths |= _local(f"gain_{gain}", share=0.3 + effect * dose) | _local(f"gain_{gain}_twin", share=0.3)
    assert _verdict("more-than-twin", truths, noise) == verdict


@pytest.mark.parametrize(
    ("accuracies", "noise", "verdict"),
    [
        ({"pixels": 0.8}, 0.001, "supported"),
        ({"pixels": 0.8, "ring_from_twin": 0.85, "twin_from_ring": 0.85}, 0.001, "mixed"),
        ({"ring_from_twin": 0.85, "twin_from_ring": 0.85}, 0.001, "contradicted"),
        ({"pixels": 0.8}, 0.2, "undecided"),
    ],
)
def test_mask_transfer(accuracies, noise, verdict):
    truths = {("test_accuracy", condition): value for condition, value in accuracies.items()}
    assert _verdict("mask-transfer", truths, noise) == verdict


@pytest.mark.parametrize(
    ("rise", "beyond_ipr", "noise", "verdict"),
    [
        (0.1, 0.05, 0.005, "supported"),
        (-0.1, -0.05, 0.005, "contradicted"),
        (0.1, 0.0, 0.005, "mixed"),  # rises as fewer effective inputs do
        (0.1, 0.05, 5.0, "undecided"),
    ],
)
def test_non_gaussianity(rise, beyond_ipr, noise, verdict):
    prefix = "gaussianity.abs_excess_kurtosis"
    truths = {
        (f"{prefix}_within_class", "imp"): rise * LEVELS,
        # Random pruning leaves fewer effective inputs: |κ| rises more there, and that says nothing.
        (f"{prefix}_within_class", "random"): 3 * abs(rise) * LEVELS,
        (f"{prefix}_beyond_ipr_within_class", "imp"): beyond_ipr * LEVELS,
    }
    assert _verdict("non-gaussianity", truths, noise) == verdict


@pytest.mark.parametrize(
    ("effect", "by_size", "noise", "verdict"),
    [
        (0.05, 0.0, 0.002, "supported"),
        (-0.05, 0.0, 0.002, "contradicted"),
        (0.0, 0.1, 0.001, "equivalent"),  # a null of selection by size is not called an effect
        (0.05 * np.sign(LEVELS - 2.5), 0.0, 0.002, "mixed"),
        (0.05, 0.0, 1.0, "undecided"),
    ],
)
def test_cavity(effect, by_size, noise, verdict):
    name = "cavity_within_class.delta_abs_kurtosis_difference"
    # The last level prunes nothing: whatever its hypothetical pruning gives must not enter.
    at_last = np.where(LEVELS == NUM_LEVELS - 1, 100.0, 0.0)
    truths = {
        (f"{name}_beyond_size_shuffled", "imp"): effect + at_last,
        (f"{name}_size_shuffled", "imp"): by_size + at_last,
        (name, "imp"): effect + by_size + at_last,
    }
    assert _verdict("cavity", truths, noise) == verdict


@pytest.mark.parametrize(
    ("effect", "by_construction", "num_replicates", "verdict"),
    [
        (1.0, 0.0, 10, "supported"),
        (-1.0, 0.0, 10, "contradicted"),
        (0.0, 0.9, 10, "equivalent"),  # cause and gain share a mask: coupling is not feedback
        (0.0, 0.0, 2, "undecided"),
    ],
)
def test_feedback(effect, by_construction, num_replicates, verdict):
    stream = np.random.default_rng(0)
    num_units = NUM_UNITS if num_replicates < 10 else 2000
    shape = (num_replicates, NUM_LEVELS, num_units)
    per_unit = {}
    name = "cavity_within_class.delta_abs_kurtosis_difference_per_unit"
    for condition in ("imp", "random", "twin"):
        cause = stream.normal(size=shape)
        gain = stream.normal(size=shape) + by_construction * cause
        if condition == "imp":  # the cause at level t acts between t + 1 and t + 2
            gain[:, 1:] += effect * cause[:, :-1]
        before = np.zeros((num_replicates, 1, num_units))
        place = np.concatenate([before, np.cumsum(gain, axis=1)], axis=1)[:, :-1]
        per_unit[name, condition] = cause
        per_unit[f"{name}_random_kept", condition] = stream.normal(size=shape)
        near_random = "cavity_within_class.near_per_unit_random_kept"
        per_unit[near_random, condition] = place + stream.normal(size=shape)
        per_unit["locality.attained_share_per_unit", condition] = place
        per_unit["locality.near_per_unit", condition] = place
        per_unit["locality.fan_in_per_unit", condition] = stream.integers(3, 9, size=shape).astype(float)
    results = planted({}, per_unit=per_unit, num_replicates=num_replicates, num_levels=NUM_LEVELS)
    findings = [find(prediction, results) for prediction in select_claims()["feedback"].predictions]
    assert verdict_of(findings) == verdict


_CAUSAL = _local("within_matched", "cavity")


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_CAUSAL, 0.002, "supported"),
        # Cavity score over all classes: a score of class separation, which the twin has as well.
        (_local("cavity", "class_variance", "cavity_twin"), 0.002, "mixed"),
        (_CAUSAL | {("test_accuracy", "within_matched"): 0.8}, 0.002, "mixed"),
        (
            _local("random_matched", "within_matched_reverse", "class_variance", "cavity_twin")
            | {("test_accuracy", "within_matched"): 0.8},
            0.002,
            "contradicted",
        ),
        (_CAUSAL, 5.0, "undecided"),
    ],
)
def test_causal(truths, noise, verdict):
    assert _verdict("causal", truths, noise) == verdict


@pytest.mark.parametrize(
    ("seeds", "matched", "start", "noise", "verdict"),
    [
        (0.0, 0.1, 0.2, 0.002, "supported"),
        (0.1, 0.1, 0.2, 0.002, "mixed"),  # unit by unit, seeds agree
        (0.0, 0.0, 0.2, 0.002, "mixed"),  # no kind of field in common
        (0.1, -0.1, -0.1, 0.002, "contradicted"),
        (0.0, 0.1, 0.2, 5.0, "undecided"),
    ],
)
def test_mask_overlap(seeds, matched, start, noise, verdict):
    truths = {
        ("mask_overlap.seeds", "imp"): seeds,
        ("mask_overlap.seeds_matched", "imp"): matched,
        ("mask_overlap.with_reference", "imp_twin"): start,
    }
    assert _verdict("mask-overlap", truths, noise) == verdict


@pytest.mark.parametrize(
    ("sub", "heavy", "noise", "verdict"),
    [
        (0.2, 0.0, 0.002, "supported"),
        (-0.2, 0.2, 0.002, "contradicted"),
        (-0.2, 0.0, 0.002, "mixed"),
        (0.2, 0.2, 0.002, "mixed"),
        (0.2, 0.0, 5.0, "undecided"),
    ],
)
def test_sign_and_kind(sub, heavy, noise, verdict):
    truths = _local("nlgp_unit", "ising_unit", share=0.3 + sub)
    truths |= _local("elliptical_unit", "laplace_unit", "pulses_unit", share=0.3 + heavy)
    truths |= _local(*(f"{kind}_twin_unit" for kind in ("nlgp", "ising", "laplace", "pulses")))
    assert _verdict("sign-and-kind", truths, noise) == verdict


@pytest.mark.parametrize(
    ("effect", "noise", "verdict"),
    [
        (0.1, 0.002, "supported"),
        (-0.1, 0.002, "contradicted"),
        (0.0, 0.002, "equivalent"),
        (0.1, 2.0, "undecided"),
    ],
)
def test_data_and_labels(effect, noise, verdict):
    truths = {}
    for dose, size in enumerate((2000, 8000, 32000)):
        truths |= _local(f"images_{size}", share=0.3 + effect * dose)
    truths |= _local("random_labels", "two_classes", share=0.3)
    assert _verdict("data-and-labels", truths, noise) == verdict


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
    results = planted(means, noise=noise, num_levels=NUM_LEVELS)
    findings = [find(prediction, results) for prediction in select_claims()["one-neuron"].predictions]
    assert verdict_of(findings) == verdict


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_local("imp") | {("test_accuracy", "twin"): 0.5}, 0.002, "supported"),
        (_local("imp") | {("test_accuracy", "twin"): 0.6}, 0.002, "mixed"),  # the twin does have a task
        (_waves("imp") | {("test_accuracy", "twin"): 0.5}, 0.002, "mixed"),
        (_local("imp"), 5.0, "undecided"),
    ],
)
def test_higher_order(truths, noise, verdict):
    assert _verdict("higher-order", truths, noise) == verdict


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_local("imp"), 0.002, "supported"),
        (_local("random"), 0.002, "contradicted"),
        (_local("imp"), 5.0, "undecided"),
    ],
)
def test_pictures(truths, noise, verdict):
    assert _verdict("pictures", truths, noise) == verdict


def _accuracies(**values):
    return {("test_accuracy", condition): value for condition, value in values.items()}


_LOSE = {"random": 0.8, "reinitialised": 0.85, "shuffled_layer": 0.8}


@pytest.mark.parametrize(
    ("accuracies", "noise", "verdict"),
    [
        (_LOSE, 0.002, "supported"),
        (_LOSE | {"reinitialised": 0.9}, 0.002, "mixed"),  # the mask alone is enough
        (
            _LOSE | {"imp": np.where(LEVELS > 0, 0.86, 0.9)},
            0.002,
            "mixed",
        ),  # better than random, not matching
        ({"imp": np.where(LEVELS > 0, 0.8, 0.9)}, 0.002, "contradicted"),
        (_LOSE, 0.5, "undecided"),
    ],
)
def test_ticket(accuracies, noise, verdict):
    assert _verdict("ticket", _accuracies(**accuracies), noise) == verdict


def test_a_ticket_without_any_mechanism_only_matches_the_dense_network():
    assert _verdict("ticket", {}, 0.002) == "mixed"  # every condition is as good as the dense network


@pytest.mark.parametrize(
    ("imp", "random", "noise", "verdict"),
    [
        (0.005, 0.1, 0.001, "supported"),
        (0.005, 0.006, 0.001, "mixed"),  # stable, as is everything
        (0.1, 0.005, 0.001, "contradicted"),
        (0.005, 0.1, 1.0, "undecided"),
    ],
)
def test_stability(imp, random, noise, verdict):
    truths = {("stability.error_barrier", "imp"): imp, ("stability.error_barrier", "random"): random}
    assert _verdict("stability", truths, noise) == verdict


def _blanket(condition, own, co_parents):
    return {
        ("recovery.input_auroc", condition): own,
        ("recovery.input_auroc_of_co_parents", condition): co_parents,
    }


_SCREENED = _blanket("correlation", 0.75, 0.5) | {
    ("recovery.input_auroc_permuted", condition): 0.5 for condition in ("imp", "random")
}
_CHANCE = _blanket("shuffled_labels", 0.5, 0.5) | _blanket("random", 0.5, 0.5) | _SCREENED


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_CHANCE | _blanket("imp", 0.95, 0.9), 0.002, "supported"),
        (_CHANCE | _blanket("imp", 0.95, 0.5), 0.002, "mixed"),  # what correlation misses is not found
        (_CHANCE | _blanket("imp", 0.75, 0.9), 0.002, "mixed"),  # no better than screening
        (_CHANCE | _blanket("imp", 0.95, 0.9) | _blanket("shuffled_labels", 0.9, 0.9), 0.002, "mixed"),
        (_CHANCE | _blanket("imp", 0.2, 0.2) | _blanket("shuffled_labels", 0.2, 0.2), 0.002, "contradicted"),
        (_CHANCE | _blanket("imp", 0.95, 0.9), 1.0, "undecided"),
    ],
)
def test_belief(truths, noise, verdict):
    assert _verdict("belief", truths, noise) == verdict


@pytest.mark.parametrize(
    ("accuracy", "joint", "disagreement", "noise", "verdict"),
    [
        (0.88, 0.4, 0.05, 0.002, "supported"),
        (0.80, 0.4, 0.05, 0.002, "mixed"),  # lost with the accuracy
        (0.88, 0.0, 0.1, 0.002, "mixed"),  # nothing happens to what members know together
        (0.80, -0.4, 0.2, 0.002, "contradicted"),  # they know more together
        (0.88, 0.4, 0.05, 5.0, "undecided"),
    ],
)
def test_ensemble(accuracy, joint, disagreement, noise, verdict):
    truths = {
        ("ensemble.accuracy", "imp"): np.where(LEVELS > 0, accuracy, 0.88),
        ("ensemble.joint_beyond_matched", "imp"): np.where(LEVELS > 0, joint, 0.0),
        ("ensemble.disagreement", "imp"): np.where(LEVELS > 0, disagreement, 0.1),
    }
    assert _verdict("ensemble", truths, noise) == verdict


_KERNELS = ("default", "area", "nearest", "bilinear", "bicubic", "lanczos", "fsmr")
_KURTOSIS = "gaussianity.abs_excess_kurtosis_within_class"


def _on_photographs(kernel, share, kurtosis, twin_kurtosis=0.4):
    return {
        ("locality.attained_share", kernel): share,
        (_KURTOSIS, kernel): kurtosis,
        (_KURTOSIS, f"{kernel}_twin"): twin_kurtosis,
    }


_ALIKE = functools.reduce(operator.or_, (_on_photographs(kernel, 0.2, 0.8) for kernel in _KERNELS))


@pytest.mark.parametrize(
    ("truths", "noise", "verdict"),
    [
        (_ALIKE, 0.002, "supported"),
        (_ALIKE | _on_photographs("lanczos", 0.3, 0.8), 0.002, "mixed"),
        (_ALIKE | _on_photographs("nearest", 0.2, 1.2), 0.002, "mixed"),
        (_ALIKE | _on_photographs("nearest", 0.2, 1.2, 0.8), 0.002, "supported"),  # so has its twin
        (_ALIKE | _on_photographs("default", 0.5, 2.0), 0.002, "contradicted"),
        (_ALIKE, 1.0, "undecided"),
    ],
)
def test_resampling(truths, noise, verdict):
    assert _verdict("resampling", truths, noise) == verdict
