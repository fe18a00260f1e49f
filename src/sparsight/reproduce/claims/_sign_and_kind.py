"""Claim 7: which kinds of non-Gaussian inputs make receptive fields more local than Gaussian inputs do."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    SHARE,
    beyond_random_masks,
    localises_equally,
    localises_more,
)

_STUDY = "kinds"
_KINDS = {
    "nlgp": ("nlgp_twin", "the NLGP (pixel κ = −1.76)"),
    "ising": ("ising_twin", "Ising spins (pixel κ = −2)"),
    "elliptical": ("nlgp_twin", "elliptical t fields (pixel κ = 3)"),
    "laplace": ("laplace_twin", "fields of Laplace pixels (κ = 3)"),
    "pulses": ("pulses_twin", "sums of pulses (κ > 0)"),
}


def _pair(kind: str) -> tuple[str, str]:
    return f"{kind}_unit", f"{_KINDS[kind][0]}_unit"


def _words(kind: str) -> str:
    return f"{_KINDS[kind][1]} minus Gaussian fields of equal covariance, all samples of one norm"


def _more(kind: str, *, quantity: str = SHARE, decisive: bool = True) -> Prediction:
    pair = _pair(kind)
    return localises_more(
        quantity, _STUDY, pair, _words(kind), by_margin=False,
        control=(beyond_random_masks(quantity, pair[1]), "on those Gaussian fields"),
        name=f"{kind}{'_far' if quantity == FAR else ''}", decisive=decisive,
    )  # fmt: skip


CLAIM = Claim(
    name="sign-and-kind",
    statement=(
        "Localisation under pruning depends on the sign of the excess kurtosis, not on the scale of "
        "samples: with all samples of one norm, sub-Gaussian fields make receptive fields more local than "
        "their Gaussian twins; heavy-tailed and elliptical fields do not."
    ),
    source="Lufkin et al., arXiv 2501.17284, of a single ReLU neuron without pruning; extended here to "
    "pruning",
    scope=(
        "Fields on a ring, one hidden layer; attained share. Samples are divided by their norm: a random "
        "scale changes κ and is a nuisance. At one norm, elliptical fields are their Gaussian twin, so "
        "that this pair checks the comparison itself."
    ),
    predictions=(
        _more("nlgp"),
        _more("ising"),
        *(
            localises_equally(SHARE, _STUDY, _pair(kind), _words(kind), name=kind)
            for kind in ("elliptical", "laplace", "pulses")
        ),
        *(_more(kind, quantity=FAR, decisive=False) for kind in _KINDS),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR)),
)
