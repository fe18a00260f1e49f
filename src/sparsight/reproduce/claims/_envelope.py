"""The envelope of receptive fields on Gaussian twins: as narrow as on the data themselves."""

from sparsight.reproduce._claim import Claim
from sparsight.reproduce._localisation import FAR, RADIUS, SHARE, is_localised, localises_equally

_RING = "the ring minus its exact twin"
_TEXTURES = "textures minus their Gaussian twin"
_FASHION = "Fashion-MNIST minus its global Gaussian twin, both with the labels of one teacher"

CLAIM = Claim(
    name="envelope-equivalence",
    statement=(
        "On the Gaussian twin, receptive fields become local with the same envelope: what non-Gaussian "
        "inputs add, if anything, is neighbours within it."
    ),
    source="beyond the papers: the graded form of arXiv 2412.06545",
    scope=(
        "Equal means a difference within ±0.1 in far, or ±0.05 in the radius of gyration. On Fashion-MNIST "
        "the fields are not local, and nothing is decided."
    ),
    predictions=(
        is_localised(
            FAR, "ring", "twin", "the ring's exact twin", control=("random", "random pruning on the ring"),
            name="ring_twin_far", robust=True,
        ),
        localises_equally(FAR, "ring", ("imp", "twin"), _RING, name="ring_far", robust=True),
        localises_equally(RADIUS, "ring", ("imp", "twin"), _RING, name="ring_radius", robust=True),
        is_localised(
            FAR, "textures", "twin", "the twin of textures",
            control=("random", "random pruning on textures"), name="textures_twin_far",
        ),
        localises_equally(FAR, "textures", ("imp", "twin"), _TEXTURES, name="textures_far"),
        localises_equally(RADIUS, "textures", ("imp", "twin"), _TEXTURES, name="textures_radius"),
        localises_equally(
            FAR, "fashion", ("images_teacher", "twin_global"), _FASHION, name="fashion_far", decisive=False
        ),
        localises_equally(
            RADIUS, "fashion", ("images_teacher", "twin_global"), _FASHION,
            name="fashion_radius", decisive=False,
        ),
        localises_equally(
            SHARE, "ring", ("imp", "twin"), _RING, name="ring_share", decisive=False, robust=True
        ),
    ),
    curves=(("ring", FAR), ("ring", RADIUS), ("textures", FAR)),
)  # fmt: skip
