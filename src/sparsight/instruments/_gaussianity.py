"""The instrument ``gaussianity``: how far pre-activations are from Gaussian, compared with three controls."""

from collections.abc import Iterator, Mapping

import numpy as np

from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import (
    Gaussianity,
    gaussianity,
    independent_kurtosis,
    mean_of_defined,
    preactivation_histogram,
    preactivations,
    random_mask_weight,
    shuffled_weight,
    varying_inputs,
)
from sparsight.streams import derived_seed

_MEANING = {
    "excess_kurtosis": "E[(λ−μ)⁴]/Var² − 3 of the pre-activation (biased sample moments; Gaussian: 0)",
    "abs_excess_kurtosis": "|E[(λ−μ)⁴]/Var² − 3| of the pre-activation (Gaussian sample of n: ≈ √(48/(πn)))",
    "skewness": "E[(λ−μ)³]/Var^1.5 of the pre-activation (Gaussian: 0)",
    "sixth_cumulant": "m₆/m₂³ − 15 m₄/m₂² − 10 m₃²/m₂³ + 30 of the pre-activation (Gaussian: 0 ± √(720/n))",
    "negentropy": "skewness²/12 + excess_kurtosis²/48 of the pre-activation (Gaussian sample of n: ≈ 1/n); "
    "the Edgeworth approximation of its negentropy, poor at |κ| ≈ 1",
    "edgeworth_negentropy": "skewness²/12 + excess_kurtosis²/48 of the pre-activation (Gaussian sample of n: "
    "≈ 1/n), the value stored as negentropy",
    "spacing_negentropy": "entropy of a Gaussian minus that of the pre-activation, in nats, from spacings "
    "(Gaussian sample: 0)",
    "anderson_darling": "Anderson–Darling A² of the pre-activation to the Gaussian fitted (Gaussian: 0.385)",
    "ks_distance": "largest distance of the pre-activation's distribution function to that of the fitted "
    "Gaussian (Gaussian sample of n: ≈ 0.63/√n)",
}
_CONTROL = {
    "twin": "the same weights on the Gaussian twin of the data",
    "shuffled": "each unit's kept weights shuffled over its kept inputs",
    "random_mask": "each unit's kept weights on uniformly drawn inputs (same fan-in, same values)",
}


@instrument("gaussianity")
def measure_gaussianity(observation: Observation) -> Mapping[str, Quantity]:
    """Return gaussianity by unit and class, that of the controls, and the difference to each control.

    For each statistic ``s`` of `gaussianity` (excess_kurtosis, abs_excess_kurtosis, skewness,
    sixth_cumulant, negentropy, edgeworth_negentropy, spacing_negentropy, anderson_darling, ks_distance):

    * ``s``, ``s_per_unit``: all classes together; the mean over defined units, and each unit.
    * ``s_within_class``, ``s_per_class``, ``s_per_class_unit``: within each class; the mean over defined
      classes, the mean over units, and each unit.
    * ``s_twin``, ``s_shuffled``, ``s_random_mask`` and their ``…_per_unit``: the controls. The last two are
      sampled once, since the mean over units already averages. All also have ``…_within_class`` and
      ``…_per_class`` (the twin only if the observation holds the labels of the twin).
    * ``s_beyond_twin``, ``s_beyond_shuffled``, ``s_beyond_random_mask``, and ``…_within_class`` and
      ``…_per_class`` of each: mean of ``s`` minus its control over the units where both are defined.

    ``excess_kurtosis_independent_within_class`` is what independent inputs with the same marginals would give
    (`independent_kurtosis`): a unit of few effective inputs is less Gaussian, whatever they are.
    ``excess_kurtosis_beyond_ipr_within_class`` and ``abs_excess_kurtosis_beyond_ipr_within_class`` are beyond
    it, and compare conditions whose units have different numbers of effective inputs. Each also has
    ``…_per_class``.

    All classes together are a mixture. If their variances differ, the mixture has a positive kurtosis even
    if each class is Gaussian. The pooled ``s_twin`` shows how much of ``s`` is due to that;
    ``s_within_class`` is free of it.

    Also ``histogram_per_unit`` (see `preactivation_histogram`; zeros where the kurtosis is undefined),
    ``mean_per_unit``, ``variance_per_unit``, ``num_undefined`` and ``num_undefined_per_class``. Undefined
    are units with a constant pre-activation (no kept input, or none that varies) or with fewer than 4
    samples: they are NaN per unit and left out of every mean. A mean over no unit is NaN.
    """
    lambdas = _preactivations_with_controls(observation)
    pooled = {name: gaussianity(values) for name, values in lambdas.items()}
    labels = dict.fromkeys(lambdas, observation.labels) | {"twin": observation.twin_labels}
    by_class = {
        name: gaussianity(values, labels=labels[name], num_classes=observation.num_classes)
        for name, values in lambdas.items()
        if labels[name] is not None
    }
    own, own_by_class = pooled["own"], by_class["own"]
    undefined_by_class = np.isnan(own_by_class.excess_kurtosis).sum(axis=1)
    histogram = preactivation_histogram(lambdas["own"]).astype(np.uint32)
    bins = "samples whose (pre-activation − mean)/sd lies in each quarter of −5 … 5, outermost bins open"
    undefined = "units without a kurtosis"
    quantities = {
        "mean_per_unit": Quantity(own.mean, ("unit",), "mean of the pre-activation"),
        "variance_per_unit": Quantity(own.variance, ("unit",), "variance (ddof 0) of the pre-activation"),
        "histogram_per_unit": Quantity(histogram, ("unit", "bin"), bins, "sample"),
        "num_undefined": Quantity(float(own.num_undefined), (), f"{undefined}: no kept input that varies"),
        "num_undefined_per_class": Quantity(undefined_by_class, ("class",), f"{undefined} within the class"),
    }
    for statistic, meaning in _MEANING.items():
        quantities |= dict(_pooled_quantities(statistic, meaning, pooled))
        quantities |= dict(_class_quantities(statistic, f"within each class, {meaning}", by_class))
    return quantities | dict(_beyond_ipr(own_by_class, observation))


def _preactivations_with_controls(o: Observation) -> dict[str, np.ndarray]:
    varying = varying_inputs(o.inputs)
    seed = derived_seed(o.seed, "gaussianity", o.layer, o.level)
    weight = np.where(o.mask, o.weight, 0).astype(o.weight.dtype, copy=False)
    shuffled = shuffled_weight(weight, o.mask, varying, seed=seed)
    random_mask = random_mask_weight(weight, o.mask, varying, seed=seed)
    lambdas = {
        "own": preactivations(weight, o.inputs, o.bias),
        "shuffled": preactivations(shuffled, o.inputs, o.bias),
        "random_mask": preactivations(random_mask, o.inputs, o.bias),
    }
    if o.twin_inputs is not None:
        lambdas["twin"] = preactivations(weight, o.twin_inputs, o.bias)
    constant = ~(o.mask & varying).any(axis=1)  # (out,)
    for values in lambdas.values():
        # A matrix product may round each row differently. Without this, a constant unit would have a tiny
        # variance and, from its rounding errors, an arbitrary kurtosis.
        values[:, constant] = values[:1, constant]
    return lambdas


def _pooled_quantities(
    statistic: str, meaning: str, pooled: Mapping[str, Gaussianity]
) -> Iterator[tuple[str, Quantity]]:
    own = getattr(pooled["own"], statistic)  # (unit,)
    yield statistic, Quantity(float(mean_of_defined(own, axis=-1)), (), f"mean over units of {meaning}")
    yield f"{statistic}_per_unit", Quantity(own, ("unit",), meaning)
    for control in (name for name in pooled if name != "own"):
        values, what = getattr(pooled[control], statistic), _CONTROL[control]
        beyond = float(mean_of_defined(own - values, axis=-1))
        of_control = f"{meaning}; control: {what}"
        mean = Quantity(float(mean_of_defined(values, axis=-1)), (), f"mean over units of {of_control}")
        yield f"{statistic}_{control}", mean
        yield f"{statistic}_{control}_per_unit", Quantity(values, ("unit",), of_control)
        words = f"mean over units of {meaning}, minus the same with {what} (none: 0)"
        yield f"{statistic}_beyond_{control}", Quantity(beyond, (), words)


def _class_quantities(
    statistic: str, meaning: str, by_class: Mapping[str, Gaussianity]
) -> Iterator[tuple[str, Quantity]]:
    own = getattr(by_class["own"], statistic)  # (class, unit)
    yield f"{statistic}_per_class_unit", Quantity(own, ("class", "unit"), meaning)
    yield from _class_means(statistic, own, f"mean over units of, {meaning}")
    for control in (name for name in by_class if name != "own"):
        values, what = getattr(by_class[control], statistic), _CONTROL[control]
        yield from _class_means(
            f"{statistic}_{control}", values, f"mean over units of, {meaning}; control: {what}"
        )
        yield from _class_means(
            f"{statistic}_beyond_{control}",
            own - values,
            f"mean over units of, {meaning}, minus the same with {what} (none: 0)",
        )


def _beyond_ipr(own: Gaussianity, observation: Observation) -> Iterator[tuple[str, Quantity]]:
    """Yield κ of independent inputs, and how far κ and |κ| are from it."""
    independent = independent_kurtosis(
        observation.weight,
        observation.inputs,
        labels=observation.labels,
        num_classes=observation.num_classes,
        mask=observation.mask,
    )
    what = "Σw⁴σ⁴κ/(Σw²σ²)² over the unit's inputs, the excess kurtosis if they were independent"
    where = "mean over units of, within each class,"
    yield from _class_means("excess_kurtosis_independent", independent, f"{where} {what}")
    for name, values, meaning in (
        ("excess_kurtosis", own.excess_kurtosis - independent, "excess kurtosis minus"),
        (
            "abs_excess_kurtosis",
            own.abs_excess_kurtosis - np.abs(independent),
            "|excess kurtosis| minus |κ| of",
        ),
    ):
        words = f"{where} {meaning} {what} (independent inputs: 0)"
        yield from _class_means(f"{name}_beyond_ipr", values, words)


def _class_means(name: str, by_class_unit: np.ndarray, meaning: str) -> Iterator[tuple[str, Quantity]]:
    by_class = mean_of_defined(by_class_unit, axis=-1)  # (class,)
    yield f"{name}_per_class", Quantity(by_class, ("class",), meaning)
    mean = float(mean_of_defined(by_class, axis=-1))
    yield f"{name}_within_class", Quantity(mean, (), f"mean over classes of the {meaning}")
