"""Calls public functions with each argument spoilt, as a user would: without the type checks of the tests.

Prints one JSON line for each call: function, argument, how it was spoilt, and what came of it.
"""

import json
import sys
import warnings

import numpy as np
import torch
from torch import nn

import sparsight
from sparsight import measure
from sparsight.data import clone_task, product_covariance
from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._heavy_tailed import laplace_covariance
from sparsight.data.fields._nlgp import nlgp_covariance, nlgp_excess_kurtosis, nlgp_variance
from sparsight.data.images._standardise import channel_statistics, image_task
from sparsight.measure import (
    _cavity_contrast as cavity_contrast,
    _gaussianity_controls as gaussianity_controls,
    _intervals as effects,
    _locality as locality,
    _nulls as nulls,
    _pair_counts as pair_counts,
    _receptive_field as receptive_field,
    _shape_fits as shape_fits,
    cavity_change,
    class_mean_effects,
    class_variance_effect,
    class_variance_score,
    cliffs_delta,
    each_class_then_all,
    independent_kurtosis,
    joint_cavity,
    preactivation_histogram,
    random_kept,
    size_shuffled,
    threshold_contrast,
)
from sparsight.measure._curveball import trade
from sparsight.prune import connectivity, paths
from sparsight.prune._distribution import proportion, shared_out
from sparsight.prune._masks import density, prune, remove_lowest
from sparsight.prune._schedule import num_removed

STREAM = np.random.default_rng(0)
OUT, NUM = 4, 40
GEOMETRY = sparsight.Geometry(2, (3, 4))
WEIGHT = STREAM.normal(size=(OUT, GEOMETRY.num_inputs))
MASK = STREAM.random(WEIGHT.shape) < 0.5
INPUTS = STREAM.normal(size=(NUM, GEOMETRY.num_inputs))
LABELS = np.arange(NUM) % 3
LAMBDA = INPUTS @ WEIGHT.T
IMAGES = INPUTS.reshape(NUM, 2, 3, 4).astype(np.float32)
GRID = GEOMETRY.distances().shape
EVEN = GEOMETRY.distances() < 2
CAVITY = sparsight.cavity(WEIGHT, INPUTS)
LAYERS = {"a": (6, 24), "b": (2, 6)}
SCORES = {"a.weight": torch.rand(6, 24), "b.weight": torch.rand(2, 6)}
MASKS = {name: score > 0.3 for name, score in SCORES.items()}


def task(**changes):
    values = {"name": "sweep", "geometry": GEOMETRY, "num_classes": 3, "train_inputs": IMAGES,
              "train_labels": LABELS, "test_inputs": IMAGES, "test_labels": LABELS}  # fmt: skip
    return sparsight.Task(**(values | changes))


TASK = task()


def images(train_inputs, train_labels):
    return image_task("x", GEOMETRY, 3, (train_inputs, train_labels), (IMAGES, LABELS), {})


def remove(scores, masks, num_to_remove):
    return remove_lowest(SCORES | {"a.weight": scores}, MASKS | {"a.weight": masks}, num_to_remove)


def prune_one(scores, masks, num_kept):
    names = ("a.weight", "b.weight")
    return prune(SCORES | {"a.weight": scores}, MASKS | {"a.weight": masks}, {names: num_kept})


def connected(masks):
    return connectivity(MASKS | {"a.weight": masks}, LAYERS)


def by_class(weight, inputs, labels, mask, num_classes):
    return list(each_class_then_all(weight, inputs, labels, mask=mask, num_classes=num_classes))


def drawn(weights, null, num_samples, seed):
    return list(nulls.sample_masks(weights, null, num_samples, seed))


def traded(mask, num_rounds):
    return trade(mask, num_rounds, np.random.default_rng(0))


def sampled(inputs, epsilon, num_points):
    chain = sparsight.Chain([WEIGHT], [WEIGHT[:, 0]])
    return measure.sampled_range(chain, inputs, epsilon=epsilon, num_points=num_points)


CHAIN = sparsight.Chain([WEIGHT, WEIGHT[:3, :4]], [WEIGHT[:, 0], WEIGHT[:3, 0]])
SWITCHES = sparsight.Chain(CHAIN.weights, CHAIN.biases, "sigmoid")
LOGITS = LAMBDA[:, :3]
CONFIDENCES = np.abs(np.tanh(LAMBDA[:, 0]))


def layer(weights, biases, activations):
    return sparsight.Chain([weights, WEIGHT[:3, :4]], [biases, WEIGHT[:3, 0]], activations)


def responses(inputs):
    return CHAIN.responses(inputs, dtype=np.float32)


def redrawn(masks, inputs, activation, num_draws):
    return measure.gp_kurtosis([masks, MASK[:3, :4]], inputs, activation=activation, num_draws=num_draws)


def kernel_of(chain, inputs, masks):
    return measure.tangent_kernel(chain, inputs, masks=[masks, MASK[:3, :4]])


def attacked(network, inputs, labels, epsilons, norm, steps, starts, proved):
    return measure.pgd_accuracy(
        network, inputs, labels, epsilons=[epsilons], norm=norm, steps=steps, starts=starts, proved=proved
    )


def verified(chain, inputs, labels, epsilons, norm, method):
    return measure.verified_accuracy(chain, inputs, labels, epsilons=[epsilons], norm=norm, method=method)


def disturbed(chain, inputs, labels, noise_variance, num_draws):
    return measure.accuracy_by_noise(
        chain, inputs, labels, noise_variances=[noise_variance], num_draws=num_draws
    )


def fitted_readout(features, labels, num_classes, penalties):
    return measure.ridge_readout(features, labels, num_classes, penalties=[penalties])


OF_SAMPLES = {"chain": CHAIN, "inputs": INPUTS}
OF_CLASSES = OF_SAMPLES | {"labels": LABELS}
IN_BALLS = {"epsilon": 0.1, "norm": "inf", "method": "crown_linear"}
PROBE_CALLS = {
    layer: {"weights": WEIGHT, "biases": WEIGHT[:, 0], "activations": "relu"},
    CHAIN.logits: {"inputs": INPUTS},
    responses: {"inputs": INPUTS},
    measure.calibration: {"logits": LOGITS, "labels": LABELS, "num_bins": 5},
    measure.expected_calibration_error: {
        "confidences": CONFIDENCES, "is_right": LAMBDA[:, 1] > 0, "num_bins": 5},
    measure.calibrated_ece: {"confidences": CONFIDENCES, "num_bins": 5, "num_draws": 2, "seed": 0},
    fitted_readout: {"features": INPUTS, "labels": LABELS, "num_classes": 3, "penalties": 0.1},
    measure.winners: {"features": LAMBDA, "num_winners": 2},
    measure.coding_level: {"features": LAMBDA},
    measure.dimensionality: {"features": LAMBDA},
    measure.lifetime_sparseness: {"features": LAMBDA},
    measure.auroc: {"inside": LAMBDA[:, 0], "outside": LAMBDA[:, 1]},
    measure.fpr95: {"inside": LAMBDA[:, 0], "outside": LAMBDA[:, 1]},
    measure.neural_activation_prior: {"activations": np.abs(INPUTS.reshape(NUM, 2, 12)), "epsilon": 1.0},
    measure.energy_score: {"logits": LOGITS, "temperature": 2.0},
    measure.largest_probability: {"logits": LOGITS},
    measure.combined_score: {
        "score": np.abs(LAMBDA[:, 0]), "prior": np.abs(LAMBDA[:, 1]), "weight": 0.3},
    measure.prior_weight: {
        "score": np.abs(LAMBDA[:, 0]), "prior": np.abs(LAMBDA[:, 1]),
        "outside_score": np.abs(LAMBDA[:30, 2]), "outside_prior": np.abs(LAMBDA[:30, 3])},
    measure.relu_moments: {"mean": LAMBDA, "variance": LAMBDA**2},
    measure.noise_moments: OF_SAMPLES | {"noise_variance": 0.1},
    measure.sampled_noise: OF_SAMPLES | {"noise_variance": 0.1, "num_draws": 3, "seed": 0},
    measure.noisy_accuracy: OF_CLASSES | {"noise_variance": 0.1, "num_draws": 2, "seed": 0},
    disturbed: OF_CLASSES | {"noise_variance": 0.1, "num_draws": 2},
    measure.switching_logits: {
        "chain": SWITCHES, "inputs": INPUTS, "spread": 0.5, "num_draws": 2, "seed": 0},
    measure.far_from_data: {"chain": CHAIN, "directions": INPUTS},
    measure.ray_linearity: {"chain": CHAIN, "directions": INPUTS, "nearest": 1.0, "farthest": 3.0},
    measure.certified_bounds: OF_SAMPLES | IN_BALLS | {"lines": "tight"},
    measure.certified_margin: OF_CLASSES | IN_BALLS,
    measure.certified_radius: OF_CLASSES | {"norm": "2", "method": "crown_linear", "largest": 1.0},
    measure.switching_shares: OF_SAMPLES | IN_BALLS,
    verified: OF_CLASSES | {"epsilons": 0.1, "norm": "inf", "method": "linear"},
    attacked: {"network": CHAIN, "inputs": INPUTS, "labels": LABELS, "epsilons": 0.1, "norm": "2", "steps": 2,
               "starts": 2, "proved": np.zeros((1, NUM), bool)},
    kernel_of: OF_SAMPLES | {"masks": MASK},
    measure.centred_cosine: {"first": INPUTS[:24], "second": INPUTS[:24] ** 2},
    measure.label_alignment: {"kernel": INPUTS @ INPUTS.T, "labels": LABELS},
    measure.effective_rank: {"matrix": INPUTS @ INPUTS.T},
    measure.mask_kurtosis: {"mask": MASK, "inputs": INPUTS},
    measure.bernoulli_mask_kurtosis: {"density": 0.3, "inputs": INPUTS},
    redrawn: {"masks": MASK, "inputs": INPUTS, "activation": "relu", "num_draws": 5},
    measure.mean_field: {"activation": "tanh", "weight_variance": 1.5, "bias_variance": 0.1},
    measure.susceptibilities: OF_SAMPLES,
    measure.retained_variance: {"density": 0.3, "distribution": "normal"},
}  # fmt: skip

PRUNED = ~MASK
CALLS = {
    sparsight.cavity: {"weight": WEIGHT, "inputs": INPUTS, "mask": MASK, "dtype": "float32"},
    by_class: {"weight": WEIGHT, "inputs": INPUTS, "labels": LABELS, "mask": MASK, "num_classes": 3},
    class_mean_effects: {
        "weight": WEIGHT, "inputs": INPUTS, "labels": LABELS, "mask": MASK, "num_classes": 3,
        "min_samples": 2},
    joint_cavity: {"weight": WEIGHT, "inputs": INPUTS, "removed": MASK, "mask": MASK | PRUNED},
    cavity_change: {"before": CAVITY, "after": CAVITY, "kept": MASK},
    cavity_contrast.contrast: {"delta": WEIGHT, "kept": MASK, "pruned": PRUNED},
    cavity_contrast.matched_contrast: {
        "delta": WEIGHT, "magnitude": np.abs(WEIGHT), "kept": MASK, "pruned": PRUNED, "num_strata": 3},
    cavity_contrast.matched_shares: {
        "delta": WEIGHT, "magnitude": np.abs(WEIGHT), "kept": MASK, "pruned": PRUNED, "num_strata": 3},
    threshold_contrast: {
        "delta": WEIGHT, "magnitude": np.abs(WEIGHT), "kept": MASK, "pruned": PRUNED, "bandwidth": 0.5,
        "min_pairs": 2},
    size_shuffled: {"weight": WEIGHT, "mask": MASK, "kept": MASK & (WEIGHT > 0), "seed": 0},
    random_kept: {"mask": MASK, "kept": MASK & (WEIGHT > 0), "seed": 0},
    class_variance_score: {
        "weight": WEIGHT, "inputs": INPUTS, "labels": LABELS, "mask": MASK, "num_classes": 3},
    class_variance_effect: {
        "weight": WEIGHT, "inputs": INPUTS, "labels": LABELS, "mask": MASK, "num_classes": 3},
    independent_kurtosis: {
        "weight": WEIGHT, "inputs": INPUTS, "labels": LABELS, "mask": MASK, "num_classes": 3},
    receptive_field.distance_from_centre: {"weights": WEIGHT**2, "geometry": GEOMETRY},
    sparsight.gaussianity: {"preactivations": LAMBDA, "labels": LABELS, "num_classes": 3},
    gaussianity_controls.preactivations: {"weight": WEIGHT, "inputs": INPUTS, "bias": WEIGHT[:, 0]},
    gaussianity_controls.varying_inputs: {"inputs": INPUTS},
    gaussianity_controls.shuffled_weight: {"weight": WEIGHT, "mask": MASK, "seed": 0},
    gaussianity_controls.random_mask_weight: {"weight": WEIGHT, "mask": MASK, "seed": 0},
    preactivation_histogram: {"preactivations": LAMBDA},
    sparsight.locality: {"mask": MASK, "geometry": GEOMETRY, "null": "fan_in", "num_samples": 3},
    locality.locality_by_fan_in: {"mask": MASK, "geometry": GEOMETRY, "num_classes": 2, "null": "fan_in"},
    pair_counts.pair_counts: {"weights": MASK, "geometry": GEOMETRY},
    pair_counts.unit_pair_sums: {"weights": MASK, "geometry": GEOMETRY, "kernels": EVEN[None]},
    pair_counts.mean_squared_displacement: {"counts": EVEN.astype(float), "geometry": GEOMETRY},
    nulls.value_moments: {"weights": MASK, "null": "uniform"},
    drawn: {"weights": MASK, "null": "configuration", "num_samples": 2, "seed": 0},
    traded: {"mask": MASK, "num_rounds": 2},
    receptive_field.ipr: {"weights": WEIGHT},
    receptive_field.ipr_of_fan_in: {"fan_in": MASK.sum(axis=1)},
    receptive_field.participation_ratio: {"weights": WEIGHT},
    receptive_field.entropy: {"weights": WEIGHT},
    receptive_field.envelope: {"weights": WEIGHT**2, "geometry": GEOMETRY},
    receptive_field.num_components: {"mask": MASK, "geometry": GEOMETRY},
    receptive_field.fan_in_histogram: {"mask": MASK},
    receptive_field.fan_out: {"mask": MASK},
    shape_fits.fit_gaussian: {"weights": WEIGHT, "geometry": GEOMETRY, "share": 1.0},
    shape_fits.fit_gabor: {"weights": WEIGHT, "geometry": GEOMETRY, "share": 1.0},
    shape_fits.shuffled_over_kept: {"weights": WEIGHT, "seed": 0},
    effects.student_interval: {"values": WEIGHT[0]},
    effects.paired_difference: {
        "a": WEIGHT[0], "b": WEIGHT[1], "seeds_a": np.arange(24), "seeds_b": np.arange(24)},
    effects.difference: {"a": WEIGHT[0], "b": WEIGHT[1]},
    cliffs_delta: {"a": WEIGHT[0], "b": WEIGHT[1]},
    sparsight.Geometry: {"channels": 2, "size": (3, 4)},
    task: {"train_inputs": IMAGES, "train_labels": LABELS, "test_inputs": IMAGES, "test_labels": LABELS,
           "num_classes": 3},
    channel_statistics: {"inputs": IMAGES},
    images: {"train_inputs": IMAGES, "train_labels": LABELS},
    clone_task: {"task": TASK, "kind": "phase", "seed": 0},
    covariance_matrix: {"by_displacement": np.eye(3), "wraps": True},
    product_covariance: {"size": (3, 4), "correlation_length": 2.0, "power": 2},
    nlgp_covariance: {"correlation": np.eye(3), "gain": 2.0},
    nlgp_variance: {"gain": 2.0},
    nlgp_excess_kurtosis: {"gain": 2.0},
    laplace_covariance: {"correlation": np.eye(3)},
    sparsight.example_penalty: {"confidences": np.abs(np.tanh(WEIGHT))},
    sparsight.learn_rule: {
        "holds": MASK, "labels": MASK[:, 0], "lengths": 1 + np.arange(MASK.shape[1]),
        "penalties": np.full(OUT, 10)},
    measure.clauses_hold: {"clauses": measure.comparison_clauses(4), "symbols": np.arange(24).reshape(6, 4)},
    sampled: {"inputs": INPUTS, "epsilon": 0.1, "num_points": 5},
    remove: {"scores": SCORES["a.weight"], "masks": MASKS["a.weight"], "num_to_remove": 3},
    prune_one: {"scores": SCORES["a.weight"], "masks": MASKS["a.weight"], "num_kept": 3},
    num_removed: {"rate": 0.3, "num_kept": 10},
    proportion: {"total": 5, "shares": [3, 2], "caps": [6, 4]},
    shared_out: {"total": 5, "shares": [3, 2], "caps": [6, 4]},
    density: {"masks": MASKS},
    connected: {"masks": MASKS["a.weight"]},
    paths: {"weight_masks": [MASKS["a.weight"], MASKS["b.weight"]]},
    sparsight.FullyConnected: {"num_inputs": 24, "num_classes": 3, "settings": sparsight.NetworkSettings()},
    sparsight.initialise_: {"network": nn.Linear(3, 2), "init": "xavier", "seed": 0},
}  # fmt: skip


ALIASES = {"kind": "clone", "train_inputs": "inputs", "correlation_length": "correlation length",
           "epsilons": "epsilon"}  # fmt: skip


def spoilt_arrays(value):
    """Yield (how, array): those that no function can take first, then those that some can."""
    as_numpy = value.numpy() if isinstance(value, torch.Tensor) else value
    back = torch.from_numpy if isinstance(value, torch.Tensor) else np.asarray
    flat = np.ascontiguousarray(as_numpy.reshape(-1)[:1])
    yield "refuse: an axis more", back(as_numpy[None])
    yield "refuse: no axis", back(flat).reshape(())
    yield "refuse: complex", back(as_numpy.astype(np.complex128))
    yield "refuse: text", np.full(as_numpy.shape, "a")
    yield "refuse: objects", np.full(as_numpy.shape, object())
    yield "refuse: a word", "word"
    yield "an axis fewer", back(np.ascontiguousarray(as_numpy[0]))
    yield "one sample fewer", back(as_numpy[:-1])
    yield "one column fewer", back(np.ascontiguousarray(as_numpy[..., :-1]))
    yield "empty", back(as_numpy[:0])
    yield "zeros", back(np.zeros_like(as_numpy))
    yield "negative", back(-as_numpy if as_numpy.dtype.kind in "if" else as_numpy)
    yield "other dtype", back(as_numpy.astype(np.float32 if as_numpy.dtype.kind in "biu" else np.int64))
    if as_numpy.dtype.kind == "f":
        for how, number in (("NaN", np.nan), ("infinite", np.inf), ("huge", np.finfo(as_numpy.dtype).max / 2),
                            ("denormal", np.finfo(as_numpy.dtype).tiny / 8)):  # fmt: skip
            spoilt = as_numpy.copy()
            spoilt.reshape(-1)[0] = number
            yield how, back(spoilt)
        yield "all denormal", back(as_numpy * np.finfo(as_numpy.dtype).tiny / 8)
        yield "all huge", back(np.sign(as_numpy) * np.finfo(as_numpy.dtype).max / 2)
    if as_numpy.dtype.kind == "b":
        yield "all", back(np.ones_like(as_numpy))


def spoilt_values(name, value):
    if isinstance(value, np.ndarray | torch.Tensor):
        yield from spoilt_arrays(value)
    elif isinstance(value, sparsight.Geometry):
        yield "refuse: another", sparsight.Geometry(1, (5,))
        yield "refuse: a tuple", (2, 3, 4)
    elif isinstance(value, sparsight.Chain):
        yield "refuse: an array", WEIGHT
        yield "refuse: a word", "word"
    elif isinstance(value, bool | list | dict):
        return
    elif isinstance(value, str):
        yield "refuse: unknown", "unknown"
    elif isinstance(value, tuple):
        for how, other in (("empty", ()), ("negative", (-1, 3)), ("zero", (0, 3)), ("three axes", (2, 2, 2))):
            yield f"refuse: {how}", other
    elif isinstance(value, float):
        for other in (float("nan"), float("inf"), -1.0):
            yield f"refuse: {other}", other
    elif isinstance(value, int) and name != "seed":
        yield "refuse: -1", -1


def outcome(function, arguments, name):
    try:
        function(**arguments)
    except sparsight.InputError as error:
        named = [*arguments, ALIASES.get(name, name)]  # where two do not fit, either may be named
        return "refused" if any(each in str(error) for each in named) else f"unclear: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return "result"


def main():
    warnings.simplefilter("error")
    for function, arguments in (CALLS | PROBE_CALLS).items():
        label = function.__name__
        print(json.dumps([label, "", "", outcome(function, arguments, "")]))
        for name, value in arguments.items():
            for how, spoilt in spoilt_values(name, value):
                came = outcome(function, arguments | {name: spoilt}, name)
                print(json.dumps([label, name, how, came]))


if __name__ == "__main__":
    sys.exit(main())
