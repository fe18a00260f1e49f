"""Catalogue of quantities: which of them are shown where, and in which order."""

from collections.abc import Mapping
from dataclasses import dataclass

from sparsight.figures._words import Words, words_of


@dataclass(frozen=True, kw_only=True)
class Family:
    """A quantity of one condition drawn beside its controls; axis label and null are those of the first line.

    `lines` maps the name of a line to its quantity; `caption` explains the lines.
    """

    name: str
    title: str
    lines: Mapping[str, str]
    caption: str

    @property
    def words(self) -> Words:
        """Catalogue entry of the first line."""
        return words_of(next(iter(self.lines.values())))


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Which quantities are shown where, in the order in which they are shown.

    Attributes
    ----------
    curves : tuple of str
        Drawn over density, one line per condition.
    findings : tuple of str
        Put into words and compared between conditions, in the report.
    summary : tuple of str
        Columns of the table by level, in the report and on a terminal.
    undefined : tuple of str
        Counts of values that are undefined and left out of means; their meaning says which values.
    transfer : tuple of str
        Drawn over the data on which masks were found and the data on which they are trained.
    at_equal_accuracy : tuple of str
        Drawn over density beside random pruning of equal accuracy, because they follow accuracy.
    over_training : tuple of str
        Drawn over the steps within a level, where ``measure.at_steps`` names some.
    families : tuple of Family
        Drawn beside their controls.
    pair_kinds : mapping of str to str
        Kind of pair in ``locality.pairs_<kind>`` → its words.
    nulls : mapping of str to str
        Null in ``locality.pairs_<kind>_<null>`` → what chance means there.
    """

    curves: tuple[str, ...]
    findings: tuple[str, ...]
    summary: tuple[str, ...]
    summary_caption: str
    undefined: tuple[str, ...]
    transfer: tuple[str, ...]
    at_equal_accuracy: tuple[str, ...]
    over_training: tuple[str, ...]
    families: tuple[Family, ...]
    pair_kinds: Mapping[str, str]
    nulls: Mapping[str, str]


CATALOGUE = Catalogue(
    curves=(
        "test_accuracy", "locality.attained_share", "locality.far", "locality.radius_of_gyration",
        "locality.near", "locality.near_configuration", "locality.near_different_channel",
        "locality.far_configuration",
        "gaussianity.excess_kurtosis", "gaussianity.excess_kurtosis_within_class",
        "gaussianity.excess_kurtosis_beyond_random_mask",
        "gaussianity.abs_excess_kurtosis_beyond_ipr_within_class", "cavity.delta_kurtosis_difference",
        "cavity.delta_kurtosis_matched_difference", "cavity.delta_kurtosis_auc",
        "cavity.delta_abs_kurtosis_difference", "cavity.delta_abs_kurtosis_difference_beyond_size_shuffled",
        "connected_units", "stability.error_barrier", "stability.loss_barrier",
        "sharpness.largest_eigenvalue", "sharpness.trace_per_parameter", "sharpness.loss_rise",
        "calibration.overconfidence", "calibration.confidence_when_wrong",
        "extrapolation.straightness_points", "noise.accuracy_lost",
        "ood.auroc_energy_twin", "ood.auroc_energy_noise",
        "readout.mask_knows", "readout.values_add", "readout.training_adds",
        "robustness.verified_accuracy", "robustness.certified_radius", "robustness.unstable_share",
        "tangent.cosine_to_trained", "criticality.distance_measured_trained",
    ),
    findings=(
        "test_accuracy", "locality.attained_share", "locality.far", "locality.radius_of_gyration",
        "locality.near", "locality.near_configuration", "gaussianity.excess_kurtosis",
        "gaussianity.excess_kurtosis_beyond_random_mask", "cavity.delta_kurtosis_difference",
        "cavity.delta_kurtosis_matched_difference", "stability.error_barrier",
    ),
    summary=(
        "test_accuracy", "locality.attained_share", "locality.near_configuration", "locality.far",
        "locality.radius_of_gyration", "gaussianity.excess_kurtosis",
        "gaussianity.excess_kurtosis_within_class", "cavity.delta_kurtosis_kept",
        "cavity.delta_kurtosis_pruned", "connected_units",
    ),
    summary_caption=(
        "share: pairs of neighbouring kept inputs of a unit, between chance (0) and the most compact field "
        "(1). near: the same pairs, relative to random masks that use every input as often (1): if share is "
        "above chance and near is not, units share their inputs and have no fields of their own. far: pairs "
        "far apart; radius: extent; both relative to chance (1). Receptive fields are local "
        "if share is above chance and far or radius below it. κ: excess kurtosis of the pre-activations (0 = "
        "Gaussian), over all samples and within classes. Δκ: what a weight adds to the κ of its unit, "
        "averaged over the weights kept and pruned after the level."
    ),
    undefined=("locality.num_undefined", "gaussianity.num_undefined", "cavity.num_undefined"),
    transfer=("test_accuracy", "locality.attained_share", "locality.near_squared_weights"),
    at_equal_accuracy=(
        "calibration.ece", "calibration.overconfidence", "calibration.confidence_when_wrong",
        "ood.auroc_energy_twin",
    ),
    over_training=(
        "test_accuracy", "locality.near_squared_weights", "locality.ipr", "gaussianity.excess_kurtosis",
        "gaussianity.excess_kurtosis_within_class", "cavity.delta_kurtosis_difference",
        "cavity.delta_kurtosis_matched_difference", "initialisation.distance_travelled",
        "initialisation.rank_correlation",
    ),
    pair_kinds={"same_channel": "same channel", "different_channel": "different channels"},
    nulls={
        "fan_in": "random masks with the same fan-in",
        "configuration": "random masks that keep every unit's fan-in and every input's fan-out",
    },
    families=(
        Family(
            name="kurtosis",
            title="κ beside its controls",
            lines={
                "own": "gaussianity.excess_kurtosis",
                "twin": "gaussianity.excess_kurtosis_twin",
                "shuffled": "gaussianity.excess_kurtosis_shuffled",
                "random mask": "gaussianity.excess_kurtosis_random_mask",
                "within classes": "gaussianity.excess_kurtosis_within_class",
            },
            caption="own: the network's weights on its own data. twin: the same weights on Gaussian data "
            "with equal mean and covariance. shuffled: each unit's weights permuted among its kept inputs. "
            "random mask: the same weights on randomly drawn inputs. within classes: own, within each class.",
        ),
        Family(
            name="cavity",
            title="Δκ, kept and pruned",
            lines={"kept": "cavity.delta_kurtosis_kept", "pruned": "cavity.delta_kurtosis_pruned"},
            caption="Mean of Δκ, the kurtosis κ of a unit with a weight minus κ without it, over the weights "
            "that pruning keeps after the level, and over those that it removes.",
        ),
        Family(
            name="cavity-size",
            title="Δ|κ|, kept minus pruned, beside size alone",
            lines={
                "own": "cavity.delta_abs_kurtosis_difference",
                "size alone": "cavity.delta_abs_kurtosis_difference_size_shuffled",
            },
            caption="Mean Δ|κ| of kept minus pruned weights. size alone: after each unit's weights have been "
            "shuffled over its own inputs; kept and pruned by size as before, but matched to no input.",
        ),
        Family(
            name="cavity-matched",
            title="Δκ at equal |w|, kept and pruned",
            lines={
                "kept": "cavity.delta_kurtosis_matched_kept",
                "pruned": "cavity.delta_kurtosis_matched_pruned",
            },
            caption="Δκ of kept and pruned weights of similar size in the same unit, so that size cannot "
            "explain a difference.",
        ),
        Family(
            name="initialisation",
            title="Pruning foretold by the initialisation, beside chance",
            lines={
                "pruned": "initialisation.foretold_share",
                "chance": "initialisation.foretold_share_chance",
            },
            caption="Share of the weights that a level prunes that pruning by size before its training would "
            "also remove, beside the same for weights drawn at random.",
        ),
        Family(
            name="distance",
            title="Distance travelled, beside shuffled weights",
            lines={
                "own": "initialisation.distance_travelled",
                "shuffled": "initialisation.distance_travelled_shuffled",
            },
            caption="Distance of the trained weights from those that the level's training began with, over "
            "the length of these. shuffled: after each unit's trained weights are permuted among its own "
            "places. As far as that, no weight remembers where it began.",
        ),
        Family(
            name="ipr",
            title="ipr beside chance",
            lines={
                "own": "locality.ipr",
                "Gaussian weights": "locality.ipr_null",
                "cut Gaussian weights": "locality.ipr_null_truncated",
            },
            caption="Inverse participation ratio of a unit's weights, from 1/n to 1, averaged over units, "
            "beside that of as many independent Gaussian weights, which also rises as weights are removed. "
            "cut Gaussian weights: those that magnitude pruning leaves; the null for pruning by size.",
        ),
        Family(
            name="pieces",
            title="Connected pieces beside chance",
            lines={"own": "locality.pieces", "random mask": "locality.pieces_expected"},
            caption="Connected pieces of a unit's kept pixels, averaged over units with two or more inputs, "
            "beside those of random masks with the same fan-in. A compact field has few; scattered clumps "
            "have many.",
        ),
        Family(
            name="second-singular-value",
            title="Second singular value of the mask beside random masks",
            lines={
                "own": "mask_graph.second_over_bound",
                "same degrees": "mask_graph.second_over_bound_configuration",
            },
            caption="Second largest singular value of the mask as a matrix of 0 and 1, over the Ramanujan "
            "bound √(k₁ − 1) + √(k₂ − 1) of its mean degrees. same degrees: random masks that keep every "
            "unit's fan-in and every input's fan-out. Above them, the mask has groups of units that read the "
            "same inputs; unequal degrees alone lift both above 1.",
        ),
        Family(
            name="effective-rank",
            title="Effective rank beside random masks",
            lines={
                "mask": "mask_graph.effective_rank",
                "mask, same degrees": "mask_graph.effective_rank_configuration",
                "weights": "mask_graph.weight_effective_rank",
                "weights, same degrees": "mask_graph.weight_effective_rank_configuration",
            },
            caption="exp of the entropy of the singular values over their sum, of the mask and of the "
            "weights. same degrees: random masks that keep every unit's fan-in and every input's fan-out, "
            "with each unit's weights.",
        ),
        Family(
            name="components",
            title="Connected components beside random masks",
            lines={
                "own": "mask_graph.num_components",
                "same degrees": "mask_graph.num_components_configuration",
            },
            caption="Connected components, with at least one weight, of the graph between inputs and units. "
            "same degrees: random masks that keep every unit's fan-in and every input's fan-out.",
        ),
        Family(
            name="paths",
            title="Kept paths beside random masks",
            lines={"own": "mask_graph.num_paths", "same degrees": "mask_graph.num_paths_configuration"},
            caption="Kept paths from the network's inputs to the layer's units. same degrees: the layer's "
            "mask drawn at random with every fan-in and fan-out as they are; in the first layer the two are "
            "equal.",
        ),
        Family(
            name="fan-out-tail",
            title="Tail of degrees beside random masks",
            lines={
                "inputs": "mask_graph.fan_out_tail",
                "inputs, at random": "mask_graph.fan_out_tail_uniform",
                "units": "mask_graph.fan_in_tail",
                "units, at random": "mask_graph.fan_in_tail_uniform",
            },
            caption="Share of the weights on the tenth of inputs with most readers, and on the tenth of "
            "units with most inputs; 0.1 if all degrees are equal. at random: as many weights anywhere in "
            "the layer.",
        ),
        Family(
            name="gabor",
            title="Gabor fits beside shuffled weights",
            lines={"own": "shape_fits.gabor_r_squared", "shuffled": "shape_fits.gabor_r_squared_shuffled"},
            caption="Mean r² of Gabor fits to receptive fields of the first layer, over an eighth of the "
            "units. shuffled: the same fits to weights shuffled over each unit's kept inputs. Without an "
            "envelope the two are equal.",
        ),
        Family(
            name="precision",
            title="Planted supports: precision beside chance",
            lines={"own": "recovery.precision", "by chance": "recovery.precision_expected"},
            caption="Share of the first layer's weights inside the planted supports, in the units that fit "
            "the planted ones best. by chance: random masks with the fan-in of every unit, matched likewise.",
        ),
        Family(
            name="recall",
            title="Planted supports: recall beside chance",
            lines={"own": "recovery.recall", "by chance": "recovery.recall_expected"},
            caption="Share of the planted supports that the first layer keeps, in the units that fit the "
            "planted ones best. by chance: random masks with the fan-in of every unit, matched likewise.",
        ),
        Family(
            name="planted_inputs",
            title="Planted inputs beside a permuted support",
            lines={"own": "recovery.input_auroc", "permuted": "recovery.input_auroc_permuted"},
            caption="Probability that an input of a planted support keeps more of the first layer's weights "
            "than another input, ties half; ½ by chance. permuted: the same for supports whose inputs are "
            "permuted.",
        ),
        Family(
            name="blanket",
            title="Parents, children and co-parents of the label",
            lines={
                "parents": "recovery.input_auroc_of_parents",
                "children": "recovery.input_auroc_of_children",
                "co-parents": "recovery.input_auroc_of_co_parents",
            },
            caption="Probability that an input of the label's Markov blanket keeps more of the first layer's "
            "weights than an input outside it, ties half; ½ by chance. co-parents: other parents of the "
            "label's children, which are neither parents nor children.",
        ),
        Family(
            name="calibration",
            title="Calibration error beside exact probabilities",
            lines={"own": "calibration.ece", "exact": "calibration.ece_calibrated"},
            caption="Expected calibration error on held-out samples, 15 bins of equal mass. exact: what the "
            "same confidences would give if each sample were right with the probability that its own says.",
        ),
        Family(
            name="last-kink",
            title="Last kink beside other masks",
            lines={
                "own": "extrapolation.last_kink_points",
                "random masks": "extrapolation.last_kink_points_random_mask",
                "permuted": "extrapolation.last_kink_points_permuted_mask",
            },
            caption="Median distance, in data radii, beyond which logits grow along a line, on rays through "
            "held-out samples. "
            "random masks: each unit's weights on random inputs. permuted: units and inputs of every layer "
            "permuted.",
        ),
        Family(
            name="far-classes",
            title="Classes at infinity beside other masks",
            lines={
                "own": "extrapolation.class_entropy_random",
                "random masks": "extrapolation.class_entropy_random_random_mask",
                "permuted": "extrapolation.class_entropy_random_permuted_mask",
            },
            caption="Entropy of the class far away over random directions, over log of the number of "
            "classes. 0: one class owns infinity. "
            "random masks: each unit's weights on random inputs. permuted: units and inputs of every layer "
            "permuted.",
        ),
        Family(
            name="ignored",
            title="Ignored directions beside other masks",
            lines={
                "own": "extrapolation.ignored_share_random",
                "random masks": "extrapolation.ignored_share_random_random_mask",
                "permuted": "extrapolation.ignored_share_random_permuted_mask",
            },
            caption="Share of random directions along which no logit grows. "
            "random masks: each unit's weights on random inputs. permuted: units and inputs of every layer "
            "permuted.",
        ),
        Family(
            name="noise",
            title="Closed-form moments of noise beside sampling",
            lines={
                "own": "noise.variance_ratio",
                "correlation": "noise.correlation_ratio",
                "not Gaussian": "noise.gaussianity_ratio",
            },
            caption="Variance of the logits under multiplicative noise of variance 0.1, closed form over "
            "sampling. correlation: closed form over Gaussian units of the true covariance. not Gaussian: "
            "these over sampling. own is the product of the two.",
        ),
        Family(
            name="noise-controls",
            title="Closed-form moments of noise, beside other masks and the twin",
            lines={
                "own": "noise.variance_ratio",
                "random masks": "noise.variance_ratio_random_mask",
                "permuted": "noise.variance_ratio_permuted_mask",
                "twin": "noise.variance_ratio_twin",
            },
            caption="Variance of the logits under multiplicative noise of variance 0.1, closed form over "
            "sampling. random masks: each unit's weights on random inputs. permuted: units and inputs of "
            "every layer permuted. twin: the same weights on samples of the Gaussian twin.",
        ),
        Family(
            name="ood",
            title="Twin told from data by the last hidden layer",
            lines={
                "peakedness": "ood.auroc_nap_twin",
                "maximum": "ood.auroc_max_twin",
                "mean": "ood.auroc_mean_twin",
                "first weights": "ood.auroc_nap_twin_initial",
                "halves": "ood.auroc_nap_halves",
            },
            caption="AUROC of held-out samples against samples of the Gaussian twin, by scores of the last "
            "hidden layer. first weights: peakedness with the weights that the level began with. halves: one "
            "half of the held-out samples against the other.",
        ),
        Family(
            name="readout",
            title="What the masks alone know, beside random and permuted masks",
            lines={"random masks": "readout.mask_knows", "permuted masks": "readout.alignment_adds"},
            caption="Held-out accuracy of a linear readout of the last hidden layer, with fresh weights "
            "under the level's masks, minus the same under other masks. random masks: every unit has as many "
            "inputs. permuted masks: rows and columns of every mask permuted.",
        ),
        Family(
            name="robustness",
            title="Verified beside attacked accuracy, ε = 0.03",
            lines={
                "verified": "robustness.verified_accuracy",
                "attacked": "robustness.attacked_accuracy",
                "clean": "robustness.accuracy",
            },
            caption="Share of test samples that are proved to be classified correctly while every input "
            "moves by at most 0.03, that projected gradient descent leaves correct, and that are correct "
            "without a change. Between verified and attacked, bounds are loose or the attack is weak.",
        ),
        Family(
            name="proved-share",
            title="Proved predictions beside rearranged weights",
            lines={
                "own": "robustness.proved_share",
                "same counts": "robustness.proved_share_same_count",
                "same fan-in": "robustness.proved_share_same_fan_in",
                "permuted": "robustness.proved_share_permuted",
            },
            caption="Share of test samples whose own prediction, right or wrong, is proved while every input "
            "moves by at most 0.03. same counts: the kept weights of each layer at random places. same "
            "fan-in: those of each unit at random inputs. permuted: rows and columns of each layer permuted "
            "independently. What sparsity alone does is in all four.",
        ),
        Family(
            name="certified-width",
            title="Width of certified ranges beside rearranged weights",
            lines={
                "own": "robustness.relative_width",
                "same counts": "robustness.relative_width_same_count",
                "same fan-in": "robustness.relative_width_same_fan_in",
                "permuted": "robustness.relative_width_permuted",
            },
            caption="Width of the certified range of the logits while every input moves by at most 0.03, "
            "over the standard deviation of the logits over samples. Controls as for proved predictions.",
        ),
        Family(
            name="chaos",
            title="Distance to the edge of chaos, predicted and measured",
            lines={
                "initial": "criticality.distance_measured_initial",
                "initial, theory": "criticality.distance_predicted_initial",
                "trained": "criticality.distance_measured_trained",
                "trained, theory": "criticality.distance_predicted_trained",
            },
            caption="Mean over hidden layers of log χ, before and after training, on training samples. "
            "theory: predicted by mean field theory from the variance of weights and biases, which knows "
            "nothing of their arrangement.",
        ),
        Family(
            name="gp-kurtosis",
            title="Kurtosis over redraws of weights beside random masks",
            lines={
                "own": "criticality.gp_kurtosis",
                "same counts": "criticality.gp_kurtosis_same_count",
                "same fan-in": "criticality.gp_kurtosis_same_fan_in",
                "permuted": "criticality.gp_kurtosis_permuted",
            },
            caption="Excess kurtosis of the logits over redraws of Gaussian weights under the masks; a "
            "Gaussian process has 0. "
            "same counts, same fan-in: random masks. permuted: rows and columns of each mask permuted "
            "independently.",
        ),
        Family(
            name="mask-kurtosis",
            title="Kurtosis of the masks beside random masks",
            lines={
                "own": "criticality.mask_kurtosis",
                "same counts": "criticality.mask_kurtosis_same_count",
                "same fan-in": "criticality.mask_kurtosis_same_fan_in",
                "permuted": "criticality.mask_kurtosis_permuted",
                "independent": "criticality.mask_kurtosis_bernoulli",
            },
            caption="Excess kurtosis over units of pre-activations with Gaussian weights under the masks: "
            "units that read more or larger inputs vary more. independent: every weight is kept on its own. "
            "same counts, same fan-in: random masks. permuted: rows and columns of each mask permuted "
            "independently.",
        ),
        Family(
            name="tangent-cosine",
            title="Tangent kernel beside that of the dense network",
            lines={
                "own": "tangent.cosine_to_dense",
                "same counts": "tangent.cosine_to_dense_same_count",
                "same fan-in": "tangent.cosine_to_dense_same_fan_in",
                "permuted": "tangent.cosine_to_dense_permuted",
                "fresh weights": "tangent.cosine_to_dense_fresh",
            },
            caption="Centred cosine of the neural tangent kernel before training, of the kept "
            "weights, to that of the same weights without masks. same counts, same "
            "fan-in, permuted: other masks on the same weights. fresh weights: the own masks on weights that "
            "are drawn from each layer anew.",
        ),
        Family(
            name="tangent-trace",
            title="Trace of the tangent kernel over its prediction",
            lines={
                "own": "tangent.trace_over_prediction",
                "same counts": "tangent.trace_over_prediction_same_count",
                "same fan-in": "tangent.trace_over_prediction_same_fan_in",
                "permuted": "tangent.trace_over_prediction_permuted",
                "fresh weights": "tangent.trace_over_prediction_fresh",
            },
            caption="Trace of the neural tangent kernel before training, over that of the same "
            "weights without masks times the density of each masked layer. same counts, same "
            "fan-in, permuted: other masks on the same weights. fresh weights: the own masks on weights that "
            "are drawn from each layer anew.",
        ),
        Family(
            name="tangent-alignment",
            title="Alignment of the tangent kernel with the labels",
            lines={
                "own": "tangent.label_alignment",
                "same counts": "tangent.label_alignment_same_count",
                "permuted": "tangent.label_alignment_permuted",
                "dense": "tangent.label_alignment_dense",
                "trained": "tangent.label_alignment_trained",
            },
            caption="Alignment yᵀΘy / (‖y‖² ‖Θ‖) of the neural tangent kernel of the kept weights, before "
            "training, with the labels of training samples. same counts, permuted: other masks on the same "
            "weights. dense: without masks. trained: after training.",
        ),
        Family(
            name="share",
            title="Attained share, also by contribution",
            lines={
                "own": "locality.attained_share",
                "by contribution": "locality.attained_share_by_contribution",
            },
            caption="Attained share, averaged over units. by contribution: each unit weighted by Σ|v| over "
            "its outgoing weights times the standard deviation of its output, so that units that are never "
            "active do not count.",
        ),
    ),
)  # fmt: skip
