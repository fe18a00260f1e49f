"""Claim 2, strict form: without non-Gaussian inputs, receptive fields do not become local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import FAR, SHARE, beyond_random_masks, is_not_localised
from sparsight.reproduce._statistics import ratio
from sparsight.reproduce._verdict import Rule

_RING = ("imp", "the non-Gaussian ring")
_TEXTURES = ("imp", "the textures")
_FASHION = ("images", "the images")
_PHOTOGRAPHS = ("images", "the photographs")


CLAIM = Claim(
    name="necessity",
    statement=(
        "Non-Gaussian inputs are necessary: on Gaussian inputs pruning does not make receptive fields local."
    ),
    source="arXiv 2412.06545, third version",
    scope=(
        "Gaussian twins with the mean and covariance of each class: exact on the ring, fitted with "
        "shrinkage to pictures. A twin tests the claim only where the fields on the data themselves are "
        "local (the control of each prediction); on Fashion-MNIST and photographs they are not, and these "
        "decide nothing."
    ),
    predictions=(
        is_not_localised(
            SHARE, "ring", "twin", "the ring's exact twin", control=_RING, name="ring_twin_share", robust=True
        ),
        is_not_localised(
            FAR, "ring", "twin", "the ring's exact twin", control=_RING, name="ring_twin_far", robust=True
        ),
        is_not_localised(
            SHARE, "textures", "twin", "the twin of textures", control=_TEXTURES, name="textures_twin_share"
        ),
        is_not_localised(
            FAR, "textures", "twin", "the twin of textures", control=_TEXTURES, name="textures_twin_far"
        ),
        is_not_localised(
            SHARE, "fashion", "twin", "the twin of Fashion-MNIST", control=_FASHION,
            name="fashion_twin_share", decisive=False,
        ),
        is_not_localised(
            FAR, "fashion", "twin", "the twin of Fashion-MNIST", control=_FASHION,
            name="fashion_twin_far", decisive=False,
        ),
        is_not_localised(
            SHARE, "photographs", "twin", "the twin of photographs", control=_PHOTOGRAPHS,
            name="photographs_twin_share", decisive=False,
        ),
        is_not_localised(
            FAR, "photographs", "twin", "the twin of photographs", control=_PHOTOGRAPHS,
            name="photographs_twin_far", decisive=False,
        ),
        Prediction(
            name="share_of_locality_on_the_twin",
            statement="attained share on the ring's twin over that on the ring",
            study="ring",
            statistic=ratio(beyond_random_masks(SHARE, "twin"), beyond_random_masks(SHARE, "imp")),
            rule=Rule("below", 0.5),
            decisive=False,
            robust=True,
        ),
    ),
    curves=(("ring", FAR), ("textures", FAR), ("fashion", FAR), ("photographs", FAR)),
)  # fmt: skip
