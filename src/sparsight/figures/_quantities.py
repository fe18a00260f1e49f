"""The quantities that are drawn over density: headings, labels, captions, values without the effect."""

from collections.abc import Mapping
from dataclasses import dataclass

from sparsight.store import NETWORK


@dataclass(frozen=True)
class Curve:
    """A quantity that is drawn over density, a line a condition.

    Attributes
    ----------
    quantity : str
        As in `Run.frame`.
    title, ylabel, caption : str
    null : float or None
        The value without the effect.
    null_label : str
    scope : {"network", "layer"}
    """

    quantity: str
    title: str
    ylabel: str
    caption: str
    null: float | None = None
    null_label: str = "chance"
    scope: str = "layer"


@dataclass(frozen=True)
class Family:
    """A quantity of one condition that is drawn beside its controls.

    Attributes
    ----------
    name, title, ylabel, caption : str
    lines : mapping of str to str
        What a line is called → its quantity.
    null, null_label
        As in `Curve`.
    """

    name: str
    title: str
    ylabel: str
    lines: Mapping[str, str]
    caption: str
    null: float | None = None
    null_label: str = ""


_CHANCE = "1 is what random masks with the same fan-in give."
_STRICT = "random masks that keep each input's number of weights too"
CURVES = (
    Curve("test_accuracy", "Accuracy", "test accuracy (share correct)",
          "Share of held-out samples classified correctly.", scope=NETWORK),
    Curve("locality.near", "Near-locality", "pairs at |d| ≤ 1.5 pixels / chance",
          f"Pairs of kept inputs of one unit, same channel, at most 1.5 pixels apart. {_CHANCE}", 1.0),
    Curve("locality.near_configuration", "Near-locality, stricter null", "pairs at |d| ≤ 1.5 pixels / chance",
          f"The same, over {_STRICT}.", 1.0),
    Curve("locality.near_different_channel", "Near-locality between channels",
          "pairs at |d| ≤ 1.5 pixels / chance",
          f"Pairs of kept inputs of one unit in different channels, d = 0 among them. {_CHANCE}", 1.0),
    Curve("locality.far", "Far-locality", "pairs at |d| ≥ D/4 / chance",
          f"Pairs at least a quarter of the image's side D apart. {_CHANCE}", 1.0),
    Curve("locality.far_configuration", "Far-locality, stricter null", "pairs at |d| ≥ D/4 / chance",
          f"The same, over {_STRICT}.", 1.0),
    Curve("locality.radius_of_gyration", "Radius of gyration", "√⟨|d|²⟩ of pairs / chance",
          f"Root mean squared distance between kept inputs. {_CHANCE} Below 1: compact.", 1.0),
    Curve("gaussianity.excess_kurtosis", "Kurtosis of pre-activations", "κ = E[(λ−μ)⁴]/σ⁴ − 3",
          "Excess kurtosis, mean over units; all classes together.", 0.0, "Gaussian"),
    Curve("gaussianity.excess_kurtosis_within_class", "Kurtosis within classes", "κ = E[(λ−μ)⁴]/σ⁴ − 3",
          "Excess kurtosis within each class, then the mean: free of the mixture of classes.",
          0.0, "Gaussian"),
    Curve("gaussianity.excess_kurtosis_beyond_random_mask", "Kurtosis beyond a random mask",
          "κ − κ of the random mask",
          "Minus κ of the same weights on as many randomly drawn inputs: few summands alone are "
          "less Gaussian.", 0.0, "no effect"),
    Curve("cavity.delta_kurtosis_difference", "Cavity: kept minus pruned", "mean Δκ kept − mean Δκ pruned",
          "Δκ of a weight: κ of its unit with it minus without it.", 0.0, "no effect"),
    Curve("cavity.delta_kurtosis_matched_difference", "The same at equal |w|",
          "mean Δκ kept − mean Δκ pruned",
          "Compared within units among weights of similar size; few pairs are left where pruning is "
          "by size.", 0.0, "no effect"),
    Curve("cavity.delta_kurtosis_auc", "Cavity: rank-AUC", "P(Δκ kept > Δκ pruned)",
          "Probability that a weight kept has a larger Δκ than one pruned.", 0.5, "no effect"),
    Curve("cavity.delta_abs_kurtosis_difference", "Cavity of |κ|: kept minus pruned",
          "mean Δ|κ| kept − pruned",
          "The same for the absolute value: away from the Gaussian in either direction.", 0.0, "no effect"),
    Curve("connected_units", "Connected units", "connected hidden units",
          "Hidden units on a path from input to output.", scope=NETWORK),
)  # fmt: skip

FAMILIES = (
    Family(
        "kurtosis",
        "κ beside its controls",
        "κ = E[(λ−μ)⁴]/σ⁴ − 3",
        {
            "own": "gaussianity.excess_kurtosis",
            "twin": "gaussianity.excess_kurtosis_twin",
            "shuffled": "gaussianity.excess_kurtosis_shuffled",
            "random mask": "gaussianity.excess_kurtosis_random_mask",
            "within classes": "gaussianity.excess_kurtosis_within_class",
        },
        "own: the network's weights on its data. twin: the same weights on Gaussian data of equal "
        "covariance. shuffled: weights exchanged among a unit's kept inputs. random mask: same weights, "
        "inputs drawn anew.",
        0.0,
        "Gaussian",
    ),
    Family(
        "cavity",
        "Δκ, kept and pruned",
        "mean Δκ = κ with − κ without",
        {"kept": "cavity.delta_kurtosis_kept", "pruned": "cavity.delta_kurtosis_pruned"},
        "Mean over the weights that pruning keeps after the level, and over those that it removes.",
        0.0,
        "no effect",
    ),
    Family(
        "cavity-matched",
        "Δκ at equal |w|, kept and pruned",
        "mean Δκ = κ with − κ without",
        {
            "kept": "cavity.delta_kurtosis_matched_kept",
            "pruned": "cavity.delta_kurtosis_matched_pruned",
        },
        "The same among weights of similar size in the same unit, so that size explains no difference.",
        0.0,
        "no effect",
    ),
    Family(
        "ipr",
        "ipr beside chance",
        "ipr = Σw⁴/(Σw²)²",
        {"own": "locality.ipr", "Gaussian weights": "locality.ipr_null"},
        "Inverse participation ratio, 1/n … 1, mean over units, beside that of as many independent Gaussian "
        "weights: it rises with sparsity alone.",
    ),
)


def curve_of(quantity: str) -> Curve:
    """Return how a quantity is drawn; one that is not listed is labelled by its name."""
    for curve in CURVES:
        if curve.quantity == quantity:
            return curve
    return Curve(quantity, quantity, quantity, "")
