"""Claim 7: which kinds of non-Gaussian inputs make receptive fields more local than Gaussian inputs do."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, difference, final
from sparsight.reproduce._verdict import Rule

_NEAR = "locality.near"


def _kind(name: str, twin: str, words: str, rule: Rule, *, decisive: bool = True) -> Prediction:
    return Prediction(
        name=name,
        statement=f"near on {words} minus near on Gaussian fields of equal covariance, same seeds",
        study="kinds",
        statistic=difference(final(_NEAR, name), final(_NEAR, twin)),
        rule=rule,
        control=beyond_chance(final(_NEAR, twin)),
        control_statement="near − 1 on those Gaussian fields",
        decisive=decisive,
    )


CLAIM = Claim(
    name="sign-and-kind",
    statement=(
        "Locality under pruning also needs negative excess kurtosis that is not merely a random scale: "
        "sub-Gaussian fields make receptive fields more local than their Gaussian twins; heavy-tailed "
        "and elliptical fields do not."
    ),
    source="Lufkin et al., of a single ReLU neuron without pruning; extended here to pruning",
    scope="Fields on a ring, one hidden layer, the last level; near under the fan-in null.",
    predictions=(
        _kind("nlgp", "nlgp_twin", "the NLGP (pixel κ = −1.76)", Rule("above", 0.0)),
        _kind("ising", "ising_twin", "Ising spins (pixel κ = −2)", Rule("above", 0.0)),
        _kind("elliptical", "nlgp_twin", "elliptical t fields (pixel κ = 3)", Rule("below", 0.1)),
        _kind("laplace", "laplace_twin", "fields of Laplace pixels (κ = 3)", Rule("below", 0.1)),
        _kind("pulses", "pulses_twin", "sums of pulses (κ > 0)", Rule("below", 0.1)),
    ),
    curves=(("kinds", _NEAR),),
)
