"""Susceptibilities against the edge of chaos in closed form, and against wide random networks."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from sparsight.errors import InputError
from sparsight.measure import Chain, mean_field, retained_variance, susceptibilities


@pytest.mark.parametrize(
    ("activation", "weight_variance", "susceptibility"),
    [
        ("relu", 2.0, 1.0), ("tanh", 1.0, 1.0), ("erf", np.pi / 4, 1.0), ("linear", 1.0, 1.0),
        ("relu", 1 / 3, 1 / 6),  # torch's own initialisation
        ("relu", 2 / 3 * 0.3, 0.1),
    ],
)  # fmt: skip
def test_the_edge_of_chaos_is_where_it_is_known_to_be(activation, weight_variance, susceptibility):
    found = mean_field(activation, weight_variance=weight_variance)
    assert found.susceptibility == pytest.approx(susceptibility, abs=1e-6)


@pytest.mark.parametrize(
    ("weight_variance", "bias_variance"), [(0.5, 0.3), (1.3, 0.05), (3.0, 0.0), (3.0, 1.0)]
)
def test_erf_has_closed_expectations(weight_variance, bias_variance):
    found = mean_field("erf", weight_variance=weight_variance, bias_variance=bias_variance)
    q = found.variance
    assert q == pytest.approx(weight_variance * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) + bias_variance)
    assert found.susceptibility == pytest.approx(weight_variance * 4 / np.pi / np.sqrt(1 + 4 * q))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_other_activations_agree_with_adaptive_quadrature(activation):
    function = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[activation]
    slope = {"tanh": lambda x: 1 / np.cosh(x) ** 2, "sigmoid": lambda x: function(x) * (1 - function(x))}[
        activation
    ]
    found = mean_field(activation, weight_variance=2.5, bias_variance=0.1)
    scale = np.sqrt(found.variance)

    def mean_square(of):
        return integrate.quad(lambda z: of(scale * z) ** 2 * stats.norm.pdf(z), -12, 12)[0]

    assert found.variance == pytest.approx(2.5 * mean_square(function) + 0.1, rel=1e-7)
    assert found.susceptibility == pytest.approx(2.5 * mean_square(slope), rel=1e-7)


def test_units_without_bound_may_have_no_fixed_point():
    assert mean_field("relu", weight_variance=1.0, bias_variance=0.5).variance == 1.0
    assert mean_field("relu", weight_variance=3.0).variance == np.inf
    assert np.isnan(mean_field("linear", weight_variance=1.0).variance)
    assert mean_field("tanh", weight_variance=0.5).variance == 0.0


@pytest.mark.parametrize(
    ("activation", "weight_variance", "bias_variance", "density"),
    [("relu", 2.0, 0.0, 1.0), ("tanh", 1.8, 0.1, 1.0), ("erf", 1.5, 0.1, 1.0), ("relu", 2.0, 0.0, 0.3)],
)
def test_measured_susceptibilities_of_random_networks_of_width_1000_are_those_of_theory(
    activation, weight_variance, bias_variance, density
):
    """Random pruning to density α multiplies σ_w², and with it χ of ReLU."""
    stream = np.random.default_rng(0)
    widths = (1000, 1000, 1000, 2)
    weights = [
        stream.normal(0, np.sqrt(weight_variance / fan_in), (fan_out, fan_in))
        * (stream.random((fan_out, fan_in)) < density)
        for fan_in, fan_out in itertools.pairwise(widths)
    ]
    biases = [stream.normal(0, np.sqrt(bias_variance), len(weight)) for weight in weights]
    theory = mean_field(activation, weight_variance=density * weight_variance, bias_variance=bias_variance)
    inputs = stream.normal(size=(20, 1000))
    if activation != "relu":  # its χ does not depend on the variance, and others begin at the fixed point
        inputs *= np.sqrt((theory.variance - bias_variance) / weight_variance)
    found = susceptibilities(Chain(weights, biases, activation), inputs)
    np.testing.assert_allclose(found.measured, theory.susceptibility, rtol=0.05)
    np.testing.assert_allclose(found.predicted, theory.susceptibility, rtol=0.05)
    np.testing.assert_allclose(found.weight_variance, density * weight_variance, rtol=0.05)
    np.testing.assert_allclose(found.bias_variance, bias_variance, rtol=0.15)


def test_measured_is_the_sum_of_squared_singular_values_of_the_jacobian():
    stream = np.random.default_rng(1)
    chain = Chain(
        [stream.normal(size=(5, 4)), stream.normal(size=(2, 5))], [stream.normal(size=5), np.zeros(2)], "tanh"
    )
    inputs = stream.normal(size=(3, 4))
    slopes = 1 - np.tanh(inputs @ chain.weights[0].T + chain.biases[0]) ** 2
    values = [np.linalg.svd(np.diag(row) @ chain.weights[0], compute_uv=False) for row in slopes]
    assert susceptibilities(chain, inputs).measured[0] == pytest.approx(
        np.mean([(v**2).sum() / 5 for v in values])
    )


def test_retained_variance_is_that_of_draws_and_of_the_table():
    for density, expected in ((0.5, 0.929), (0.2, 0.650), (0.1, 0.439), (0.02, 0.144)):
        assert retained_variance(density, "normal") == pytest.approx(expected, abs=5e-4)
    assert retained_variance(0.1, "uniform") == pytest.approx(0.271)
    assert [retained_variance(d, k) for d in (0.0, 1.0) for k in ("normal", "uniform")] == pytest.approx(
        [0, 0, 1, 1]
    )
    stream = np.random.default_rng(0)
    draws = {"normal": stream.normal(size=400_000), "uniform": stream.uniform(-2, 2, 400_000)}
    for kind, drawn in draws.items():
        squares = np.sort(drawn**2)[::-1]
        for density in (0.02, 0.1, 0.5):
            share = squares[: int(density * len(squares))].sum() / squares.sum()
            assert retained_variance(density, kind) == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_field("gelu", weight_variance=1.0), "activation is 'gelu'"),
        (lambda: mean_field("relu", weight_variance=-1.0), "weight_variance is -1"),
        (lambda: mean_field("relu", weight_variance=1.0, bias_variance=float("nan")), "bias_variance is nan"),
        (lambda: retained_variance(1.5, "normal"), "density is 1.5"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
