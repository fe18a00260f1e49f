"""The neighbours' questions, asked of a ticket: one prediction for each probe of the whole network."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._localisation import FINAL_DENSITY, at_final_density
from sparsight.reproduce._statistics import difference
from sparsight.reproduce._verdict import Rule

_STUDY = "probes"


def _beyond(quantity: str, reference: str, condition: str) -> Statistic:
    """Return a quantity minus another one of the same network."""
    return difference(at_final_density(quantity, condition), at_final_density(reference, condition))


def _beside_other_masks(name: str, quantity: str, reference: str, words: str, rule: Rule) -> Prediction:
    """Return a prediction on the ticket minus the same with rearranged masks; control: random pruning."""
    return Prediction(
        name=name,
        statement=f"at density {FINAL_DENSITY:.1%}: {words}",
        study=_STUDY,
        statistic=_beyond(quantity, reference, "imp"),
        rule=rule,
        control=_beyond(quantity, reference, "random"),
        control_statement="the same of random pruning",
    )


def _beside_random_pruning(name: str, quantity: str, words: str, rule: Rule) -> Prediction:
    return Prediction(
        name=name,
        statement=f"at density {FINAL_DENSITY:.1%}, ticket minus random pruning, same seeds: {words}",
        study=_STUDY,
        statistic=difference(at_final_density(quantity, "imp"), at_final_density(quantity, "random")),
        rule=rule,
        control=difference(at_final_density(quantity, "twin"), at_final_density(quantity, "random")),
        control_statement="ticket of the Gaussian twin minus random pruning",
    )


CLAIM = Claim(
    name="probes",
    statement=(
        "A network pruned by magnitude differs from networks with random masks of the same density in what "
        "the neighbouring papers measure: it is easier to certify, its tangent kernel stays nearer to the "
        "dense one, it is further from a Gaussian process, its mask alone supports a better readout, it "
        "tells data from their Gaussian twin better, fewer classes share what is far from the data, it loses "
        "less to noise, and it is more overconfident."
    ),
    source=(
        "after arXiv 2104.00447, 2203.14328, 2310.16597, 2211.14632, 2402.18162, 2009.11848, 2103.08497 and "
        "2106.13103, none of which asks it of tickets"
    ),
    scope=(
        "Patches of brick, grass and gravel, one hidden layer. Directions are guesses, written down before "
        "the run, and sizes that count as none are ours. Definitions: docs/probes.md."
    ),
    predictions=(
        _beside_other_masks(
            "robustness", "robustness.proved_share", "robustness.proved_share_same_fan_in",
            "share of test samples whose prediction is proved for ε = 0.03, minus the same with each unit's "
            "weights at random inputs", Rule("above", 0.05),
        ),
        _beside_other_masks(
            "tangent", "tangent.cosine_to_dense", "tangent.cosine_to_dense_same_fan_in",
            "cosine of the tangent kernel to the dense one, minus that of masks with each unit's fan-in",
            Rule("above", 0.02),
        ),
        _beside_other_masks(
            "criticality", "criticality.gp_kurtosis", "criticality.gp_kurtosis_same_fan_in",
            "kurtosis of logits over redraws of weights, minus that of masks with each unit's fan-in",
            Rule("above", 0.1),
        ),
        Prediction(
            name="readout",
            statement=f"at density {FINAL_DENSITY:.1%}: accuracy of a readout with fresh weights under the "
            "mask, minus that of masks with each unit's fan-in",
            study=_STUDY,
            statistic=at_final_density("readout.mask_knows", "imp"),
            rule=Rule("above", 0.02),
            control=at_final_density("readout.mask_knows", "random"),
            control_statement="the same of random pruning",
        ),
        Prediction(
            name="ood",
            statement=f"at density {FINAL_DENSITY:.1%}, ticket minus random pruning, same seeds: AUROC of "
            "the energy of data against their Gaussian twin",
            study=_STUDY,
            statistic=difference(
                at_final_density("ood.auroc_energy_twin", "imp"),
                at_final_density("ood.auroc_energy_twin", "random"),
            ),
            rule=Rule("above", 0.02),
            control=difference(
                at_final_density("ood.auroc_energy_halves", "imp"),
                at_final_density("ood.auroc_energy_halves", "random"),
            ),
            control_statement="the same for two halves of the data",
        ),
        _beside_other_masks(
            "extrapolation", "extrapolation.class_entropy_random",
            "extrapolation.class_entropy_random_random_mask",
            "entropy of the class far away over random directions, over log of the number of classes, minus "
            "the same with each unit's weights at random inputs", Rule("below", -0.05),
        ),
        _beside_random_pruning(
            "noise", "noise.accuracy_lost", "accuracy lost to multiplicative noise of variance 0.1",
            Rule("below", -0.01),
        ),
        _beside_random_pruning(
            "calibration", "calibration.overconfidence", "mean confidence minus accuracy",
            Rule("above", 0.02),
        ),
    ),
    curves=((_STUDY, "tangent.cosine_to_dense"), (_STUDY, "calibration.overconfidence")),
)  # fmt: skip
