"""Words of quantities: what figures, tables and sentences say about the numbers of `Run.frame`.

To show a new quantity, add one entry to `QUANTITIES`, and its name to the lists of the catalogue that should
show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sparsight.instruments import NETWORK


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one quantity is shown.

    Attributes
    ----------
    name : str
        Name of the quantity in the column ``quantity`` of `Run.frame`.
    title : str
        Heading of its figure, and of its row among the findings.
    label : str
        Axis label: the quantity with its unit or definition.
    short : str
        Heading of a table column; empty where no table shows it.
    short_label : str
        Axis label of a small figure, where `label` is too long.
    meaning : str
        What is counted: a phrase without capital and full stop, understandable on its own.
    remark : str
        Sentences that a caption adds to the meaning.
    null : float or None
        Value without the effect; None if there is none.
    null_label : str
        What has that value: ``chance``, ``Gaussian``, ``no effect``.
    above, below : str
        Conclusion if an interval lies wholly above, or below, the null value.
    decimals : int
        Decimals in a table.
    scope : {"network", "layer"}
        Whether the whole network has one value, or each layer its own.
    """

    name: str
    title: str = ""
    label: str = ""
    short: str = ""
    short_label: str = ""
    meaning: str = ""
    remark: str = ""
    null: float | None = None
    null_label: str = "chance"
    above: str = ""
    below: str = ""
    decimals: int = 2
    scope: Literal["network", "layer"] = "layer"

    @property
    def caption(self) -> str:
        """The meaning as a sentence, and the remark."""
        return " ".join(part for part in (_sentence(self.meaning), self.remark) if part)

    def layer(self, layer: str) -> str:
        """Return where `Run.frame` keeps the quantity of a layer: there, or under the whole network."""
        return NETWORK if self.scope == "network" else layer


def _sentence(phrase: str) -> str:
    return f"{phrase[:1].upper()}{phrase[1:]}." if phrase else ""


_NEAR = "at most 1.5 pixels apart in the same channel"
_FAR = "at least a quarter of the image's side D apart in the same channel"
_OVER_CHANCE = "divided by the number expected in random masks with the same fan-in"
_OVER_STRICT = (
    "divided by the number expected in random masks that keep every unit's fan-in and every input's fan-out"
)
_KAPPA = "κ = E[(λ−μ)⁴]/σ⁴ − 3"
_DELTA = "mean Δκ = κ with − κ without"

_ENTRIES = (
    Words(name="test_accuracy", title="Accuracy", label="test accuracy (share correct)", short="accuracy",
          meaning="share of test samples classified correctly", decimals=3, scope="network"),
    Words(name="connected_units", title="Connected units", label="connected hidden units",
          short="connected", meaning="number of hidden units on a path from input to output",
          decimals=0, scope="network"),
    Words(name="stability.error_barrier", title="Error barrier between two copies",
          label="largest error − mean of the ends",
          meaning="largest test error at 11 points of the line between two copies that were trained from the "
          "rewound weights with other batches, minus the mean of its ends",
          remark="Equal copies give 0. Statistics of BatchNorm are computed again at every point.",
          decimals=3, scope="network"),
    Words(name="stability.loss_barrier", title="Loss barrier between two copies",
          label="largest loss − mean of the ends",
          meaning="largest test loss at 11 points of the line between two copies that were trained from the "
          "rewound weights with other batches, minus the mean of its ends",
          remark="Equal copies give 0. Statistics of BatchNorm are computed again at every point.",
          decimals=3, scope="network"),
    # Locality: three numbers that are read together, and what is behind them.
    Words(name="locality.verdict", title="Receptive fields",
          meaning="local: attained share above 0.05, and far below 0.9 or radius of gyration below 0.95, by "
          "Student's 95 % intervals over replicates; clustered, not local: the share alone"),
    Words(name="locality.attained_share", title="Attained share", label="(S − chance) / (most − chance)",
          short="share", short_label="attained share",
          meaning=f"pairs of kept inputs of a unit, {_NEAR}, beyond chance, as a share of what the most "
          "compact field of as many inputs has; mean over units",
          remark="Chance gives 0, the most compact fields 1. Waves and scattered clumps have it as well, so "
          "it is read together with far and the radius of gyration.", null=0.0,
          above="neighbouring inputs are kept together more often than by chance",
          below="neighbouring inputs are kept together less often than by chance"),
    Words(name="locality.attained_share_by_contribution", title="Attained share, weighted by contribution",
          label="attained share",
          meaning="attained share, each unit weighted by its outgoing weights times the spread of its output",
          null=0.0),
    Words(name="locality.radius_of_gyration_by_contribution",
          title="Radius of gyration, weighted by contribution", label="√⟨|d|²⟩ of pairs / chance",
          meaning="radius of gyration of each unit over chance, weighted by its outgoing weights times the "
          "spread of its output", null=1.0),
    Words(name="locality.near_ceiling", title="Ceiling of near", label="largest near possible",
          meaning="near if the inputs of every unit were as compact as possible, with these fan-ins"),
    Words(name="locality.pieces", title="Connected pieces", label="connected pieces of a unit",
          meaning="connected pieces of a unit's kept pixels, mean over units with two or more inputs"),
    Words(name="locality.num_never_active", title="Never-active units", label="units never active",
          meaning="units whose pre-activation is at most 0 on every sample", decimals=0),
    Words(name="locality.near", title="Near pairs", label="pairs at |d| ≤ 1.5 pixels / chance",
          short="near", short_label="near / chance",
          meaning=f"number of pairs of kept inputs of a unit, {_NEAR}, {_OVER_CHANCE}",
          remark="Chance gives 1. Its largest value depends on how weights are divided between units, so "
          "conditions are compared by the attained share.", null=1.0,
          above="neighbouring inputs are kept together more often than by chance",
          below="neighbouring inputs are kept together less often than by chance"),
    Words(name="locality.near_configuration", title="Near pairs, stricter null",
          label="pairs at |d| ≤ 1.5 pixels / chance", short="near",
          meaning=f"number of pairs of kept inputs of a unit, {_NEAR}, {_OVER_STRICT}",
          remark="Chance gives 1.", null=1.0,
          above="neighbouring inputs are kept together more often than frequently used inputs explain",
          below="neighbouring inputs are kept together less often than frequently used inputs explain"),
    Words(name="locality.near_different_channel", title="Near pairs between channels",
          label="pairs at |d| ≤ 1.5 pixels / chance",
          meaning="number of pairs of kept inputs of a unit, at most 1.5 pixels apart in different channels "
          f"(including the same pixel), {_OVER_CHANCE}", remark="Chance gives 1.", null=1.0),
    Words(name="locality.far", title="Far pairs", label="pairs at |d| ≥ D/4 / chance", short="far",
          short_label="far / chance",
          meaning=f"number of pairs of kept inputs of a unit, {_FAR}, {_OVER_CHANCE}",
          remark="Chance gives 1.", null=1.0,
          above="distant inputs are kept together more often than by chance",
          below="distant inputs are kept together less often than by chance"),
    Words(name="locality.far_configuration", title="Far pairs, stricter null",
          label="pairs at |d| ≥ D/4 / chance",
          meaning=f"number of pairs of kept inputs of a unit, {_FAR}, {_OVER_STRICT}",
          remark="Chance gives 1.", null=1.0),
    Words(name="locality.radius_of_gyration", title="Radius of gyration", label="√⟨|d|²⟩ of pairs / chance",
          short="radius", short_label="radius / chance",
          meaning="root mean square distance between kept inputs of a unit, divided by its expectation in "
          "random masks with the same fan-in",
          remark="Chance gives 1; below 1, the kept inputs are compact.", null=1.0,
          above="kept inputs are more spread out than by chance",
          below="kept inputs are more compact than by chance"),
    Words(name="locality.ipr", title="Inverse participation ratio", label="ipr = Σw⁴/(Σw²)²",
          meaning="inverse participation ratio of a unit's weights, from 1/n to 1"),
    Words(name="locality.near_squared_weights", title="Near pairs by squared weight",
          label="near, weighted", meaning=f"pairs of inputs of a unit, {_NEAR}, each pair counting as the "
          "product of its squared weights, divided by the number expected with the unit's weights on random "
          "inputs",
          null=1.0),
    Words(name="locality.near_per_unit", short="near"),
    Words(name="locality.attained_share_per_unit", short="attained share"),
    Words(name="locality.ipr_per_unit", short="ipr"),
    Words(name="locality.num_undefined", meaning="locality of units with fewer than two kept inputs"),
    # Gaussianity of the pre-activations λ.
    Words(name="gaussianity.excess_kurtosis", title="Kurtosis of pre-activations", label=_KAPPA, short="κ",
          meaning="excess kurtosis of the pre-activations over samples of all classes, averaged over units",
          remark="A Gaussian has 0.", null=0.0, null_label="Gaussian",
          above="heavier tails than a Gaussian", below="lighter tails than a Gaussian"),
    Words(name="gaussianity.excess_kurtosis_within_class", title="Kurtosis within classes", label=_KAPPA,
          short="κ in class", short_label="κ within classes",
          meaning="excess kurtosis of the pre-activations within each class, averaged over classes "
          "and units, so that differences between classes do not contribute",
          remark="A Gaussian has 0.", null=0.0, null_label="Gaussian"),
    Words(name="gaussianity.abs_excess_kurtosis_within_class", title="Absolute kurtosis within classes",
          label="|κ| within classes"),
    Words(name="gaussianity.excess_kurtosis_beyond_random_mask", title="Kurtosis beyond a random mask",
          label="κ − κ of the random mask",
          meaning="excess kurtosis of the pre-activations, minus that of the same weights on inputs drawn at "
          "random",
          remark="The random mask shows what a sum of few inputs does to the kurtosis on its own.",
          null=0.0, null_label="no effect",
          above="higher than the small number of kept inputs explains",
          below="lower than the small number of kept inputs explains"),
    Words(name="gaussianity.abs_excess_kurtosis_beyond_ipr_within_class",
          title="Absolute kurtosis beyond that of independent inputs",
          label="|κ| − |κ of independent inputs|",
          meaning="absolute excess kurtosis of the pre-activations within classes, minus what independent "
          "inputs with the same marginals and the same weights would give",
          remark="Fewer effective inputs leave a unit less Gaussian, whatever they are. That is removed.",
          null=0.0, null_label="independent inputs",
          above="less Gaussian than independent inputs would be",
          below="more Gaussian than independent inputs would be"),
    Words(name="gaussianity.spacing_negentropy_within_class", title="Negentropy within classes",
          label="negentropy in nats", null=0.0, null_label="Gaussian",
          meaning="entropy of a Gaussian of equal variance minus that of the pre-activation within each "
          "class, estimated from the spacings of the sorted samples"),
    Words(name="gaussianity.excess_kurtosis_per_unit", short="κ"),
    Words(name="gaussianity.num_undefined", meaning="kurtosis of units whose pre-activation is constant"),
    # Cavity: the effect of each weight on the kurtosis of its unit.
    Words(name="cavity.delta_kurtosis_kept", title="Δκ of kept weights", label=_DELTA, short="Δκ kept",
          meaning="mean Δκ of the weights that pruning keeps after the level", null=0.0,
          null_label="no effect", decimals=4),
    Words(name="cavity.delta_kurtosis_pruned", title="Δκ of pruned weights", label=_DELTA,
          short="Δκ pruned",
          meaning="mean Δκ of the weights that pruning removes after the level", null=0.0,
          null_label="no effect", decimals=4),
    Words(name="cavity.delta_kurtosis_matched_kept", title="Δκ of kept weights at equal |w|", label=_DELTA,
          null=0.0, null_label="no effect"),
    Words(name="cavity.delta_kurtosis_difference", title="Cavity effect, kept minus pruned",
          label="mean Δκ kept − mean Δκ pruned",
          meaning="mean Δκ of the weights kept after the level, minus that of the weights pruned; Δκ is what "
          "a weight adds to the kurtosis κ of its unit", null=0.0, null_label="no effect",
          above="kept weights raise their unit's kurtosis more than pruned weights",
          below="kept weights raise their unit's kurtosis less than pruned weights"),
    Words(name="cavity.delta_kurtosis_matched_difference", title="Cavity effect at equal |w|",
          label="mean Δκ kept − mean Δκ pruned",
          meaning="mean Δκ of kept minus pruned weights, compared within units among weights of similar size",
          remark="Where pruning is by size, few comparable weights remain.", null=0.0,
          null_label="no effect",
          above="kept weights raise kurtosis more than pruned weights of similar size",
          below="kept weights raise kurtosis less than pruned weights of similar size"),
    Words(name="cavity.delta_kurtosis_auc", title="Cavity effect: rank-AUC", label="P(Δκ kept > Δκ pruned)",
          meaning="probability that a kept weight has a larger Δκ than a pruned weight", null=0.5,
          null_label="no effect"),
    Words(name="cavity.delta_abs_kurtosis_difference", title="Cavity effect on |κ|, kept minus pruned",
          label="mean Δ|κ| kept − pruned",
          meaning="mean Δ|κ| of kept minus pruned weights: how far a weight moves its unit from the "
          "Gaussian, in either direction", null=0.0, null_label="no effect"),
    Words(name="cavity.delta_abs_kurtosis_difference_beyond_size_shuffled",
          title="Cavity effect on |κ| beyond size alone", label="Δ|κ| kept − pruned, minus size alone",
          meaning="mean Δ|κ| of kept minus pruned weights, minus the same after each unit's weights have "
          "been shuffled over its own inputs", null=0.0, null_label="size alone",
          above="kept weights raise |κ| more than their size alone would",
          below="kept weights raise |κ| less than their size alone would"),
    Words(name="cavity.delta_abs_kurtosis_threshold_jump",
          title="Cavity effect on |κ| at the threshold of |w|", label="jump of Δ|κ| at the threshold",
          meaning="Δ|κ| of a kept minus that of a pruned weight of the same unit, both of the size of the "
          "threshold, by local linear regression", null=0.0, null_label="no effect",
          remark="Missing where fewer than 50 pairs remain."),
    # The mask as a graph, and the loss around the trained weights.
    Words(name="mask_graph.second_over_bound", title="Second singular value over the Ramanujan bound",
          label="σ₂ / (√(k₁ − 1) + √(k₂ − 1))"),
    Words(name="mask_graph.effective_rank", title="Effective rank", label="effective rank"),
    Words(name="mask_graph.num_components", title="Connected components", label="connected components",
          decimals=0),
    Words(name="mask_graph.num_paths", title="Kept paths", label="kept paths", decimals=0),
    Words(name="mask_graph.fan_out_tail", title="Tail of degrees", label="weights on the top tenth"),
    Words(name="sharpness.largest_eigenvalue", title="Largest eigenvalue of the Hessian",
          label="largest eigenvalue of the Hessian", scope="network", decimals=3,
          meaning="largest eigenvalue of the Hessian of the training loss in the kept parameters",
          remark="It depends on the scale of the weights: compare conditions by the loss rise."),
    Words(name="sharpness.trace_per_parameter", title="Trace of the Hessian per parameter",
          label="Tr H / kept parameters", scope="network", decimals=4,
          meaning="trace of the Hessian of the training loss in the kept parameters, over their number"),
    Words(name="sharpness.loss_rise", title="Loss rise under perturbation", label="mean rise of the loss",
          scope="network", null=0.0, null_label="flat", decimals=3,
          meaning="mean rise of the training loss when the kept entries of each parameter move in a random "
          "direction by a tenth of its norm"),
    # Probes of the whole network.
    Words(name="calibration.ece", title="Calibration error", label="expected calibration error",
          scope="network", decimals=3, meaning="expected calibration error of the largest probability, 15 "
          "bins of equal mass, on held-out samples",
          remark="Exact probabilities do not give 0 on few samples; the control says what they give."),
    Words(name="calibration.ece_calibrated", title="Calibration error of exact probabilities",
          scope="network"),
    Words(name="calibration.overconfidence", title="Overconfidence", label="confidence − accuracy",
          scope="network", null=0.0, null_label="calibrated", decimals=3,
          meaning="mean largest probability minus accuracy, on held-out samples"),
    Words(name="calibration.confidence_when_wrong", title="Confidence when wrong",
          label="confidence of wrong answers", scope="network", decimals=3,
          meaning="mean largest probability of the held-out samples that are classified wrongly"),
    Words(name="extrapolation.straightness_points", title="Straightness of rays away from the data",
          label="R² of the logits", scope="network", null=1.0, null_label="straight", decimals=3,
          meaning="mean R² of a linear fit of the logits between 1 and 10 data radii, on rays from the "
          "origin through held-out samples"),
    Words(name="extrapolation.last_kink_points", title="Last kink", label="distance in data radii",
          scope="network"),
    Words(name="extrapolation.last_kink_points_random_mask", scope="network"),
    Words(name="extrapolation.last_kink_points_permuted_mask", scope="network"),
    Words(name="extrapolation.class_entropy_random", title="Classes at infinity",
          label="entropy over log of classes", scope="network"),
    Words(name="extrapolation.class_entropy_random_random_mask", scope="network"),
    Words(name="extrapolation.class_entropy_random_permuted_mask", scope="network"),
    Words(name="extrapolation.ignored_share_random", title="Directions that the network ignores",
          label="share of random directions", scope="network"),
    Words(name="extrapolation.ignored_share_random_random_mask", scope="network"),
    Words(name="extrapolation.ignored_share_random_permuted_mask", scope="network"),
    Words(name="noise.accuracy_lost", title="Accuracy lost under noise",
          label="accuracy without − with noise",
          scope="network", null=0.0, null_label="no effect", decimals=3,
          meaning="held-out accuracy without noise minus that under noise of variance 0.1 that multiplies "
          "every input of every layer"),
    Words(name="noise.variance_ratio", title="Closed-form over sampled variance",
          label="variance of logits, closed form / sampled", scope="network", null=1.0,
          null_label="assumptions hold"),
    Words(name="noise.correlation_ratio", scope="network"),
    Words(name="noise.gaussianity_ratio", scope="network"),
    Words(name="noise.variance_ratio_random_mask", scope="network"),
    Words(name="noise.variance_ratio_permuted_mask", scope="network"),
    Words(name="noise.variance_ratio_twin", scope="network"),
    Words(name="ood.auroc_energy_twin", title="Data told from their Gaussian twin", label="AUROC",
          scope="network", null=0.5, null_label="alike", decimals=3,
          meaning="probability that a held-out sample has a higher energy score than a sample of the "
          "Gaussian twin", remark="It follows accuracy: compare conditions at equal accuracy."),
    Words(name="ood.auroc_energy_noise", title="Data told from white noise", label="AUROC",
          scope="network", null=0.5, null_label="alike", decimals=3,
          meaning="probability that a held-out sample has a higher energy score than white noise"),
    Words(name="ood.auroc_nap_twin", title="Twin told from data by hidden layers", label="AUROC",
          scope="network", null=0.5, null_label="alike"),
    Words(name="ood.auroc_max_twin", scope="network"),
    Words(name="ood.auroc_mean_twin", scope="network"),
    Words(name="ood.auroc_nap_twin_initial", scope="network"),
    Words(name="ood.auroc_nap_halves", scope="network"),
    Words(name="readout.mask_knows", title="What the masks alone know", label="accuracy, own − random masks",
          scope="network", null=0.0, null_label="random masks", decimals=3,
          meaning="held-out accuracy of a linear readout of the last hidden layer with fresh weights under "
          "the level's masks, minus the same under random masks of equal fan-in"),
    Words(name="readout.alignment_adds", title="What the alignment of masks adds",
          label="accuracy, own − permuted masks", scope="network"),
    Words(name="readout.values_add", title="What the first values add", label="accuracy, first − fresh",
          scope="network", null=0.0, null_label="fresh weights", decimals=3,
          meaning="held-out accuracy of a linear readout of the last hidden layer with the weights that "
          "the level began with, minus the same with fresh weights under the same masks"),
    Words(name="readout.training_adds", title="What training adds", label="accuracy, trained − first",
          scope="network", null=0.0, null_label="untrained", decimals=3,
          meaning="held-out accuracy of a linear readout of the last hidden layer with trained weights, "
          "minus the same with the weights that the level began with"),
    # The whole network in balls around test samples.
    Words(name="robustness.verified_accuracy", title="Verified accuracy at ε = 0.03",
          label="share proved correct, ‖δ‖∞ ≤ 0.03", scope="network", decimals=3,
          meaning="share of test samples proved to be classified correctly while every input moves by at "
          "most 0.03",
          remark="Any sparse network is easier to bound: compare with random pruning, and with the controls "
          "of the proved share."),
    Words(name="robustness.certified_radius", title="Certified radius", label="mean certified radius, ‖δ‖∞",
          scope="network", decimals=4,
          meaning="mean over test samples of the radius in which the class is proved, at most 1; 0 where it "
          "is wrong"),
    Words(name="robustness.unstable_share", title="Units that may switch at ε = 0.03",
          label="unstable ReLUs (share)", scope="network",
          meaning="share of pairs of hidden ReLU and test sample that are not proved to stay off or on while "
          "every input moves by at most 0.03"),
    Words(name="robustness.proved_share", title="Proved predictions at ε = 0.03",
          label="share of predictions proved", scope="network"),
    Words(name="robustness.relative_width", title="Relative width of certified ranges",
          label="certified width / sd of the logit", scope="network"),
    # Order, chaos and Gaussian processes.
    Words(name="criticality.distance_measured_trained", title="Distance to the edge of chaos, trained",
          label="mean log χ, measured", scope="network", null=0.0, null_label="edge",
          meaning="mean over hidden layers of log χ on training samples after training; χ is the sum of "
          "squared singular values of a layer's Jacobian over its units",
          remark="Below 0 close inputs come closer from layer to layer (order)."),
    Words(name="criticality.distance_measured_initial", title="Distance to the edge of chaos, untrained",
          label="mean log χ, measured", scope="network", null=0.0, null_label="edge",
          meaning="the same before training, at the initial or rewound weights"),
    Words(name="criticality.gp_kurtosis", title="Kurtosis over redraws of weights",
          label="κ of the logits over redraws", scope="network", null=0.0, null_label="GP"),
    Words(name="criticality.mask_kurtosis", title="Kurtosis of the masks", label="3 Var(v) / mean(v)²",
          scope="network", null=0.0, null_label="equal units"),
    # The neural tangent kernel of the whole network.
    Words(name="tangent.cosine_to_dense", title="Tangent kernel: likeness to the dense network",
          label="centred cosine to the dense kernel", scope="network", decimals=3,
          meaning="centred cosine of the neural tangent kernel before training, of the kept weights, to that "
          "of the same weights without masks"),
    Words(name="tangent.cosine_to_trained", title="Tangent kernel: likeness to the trained network",
          label="centred cosine, before to after training", scope="network", decimals=3,
          meaning="centred cosine of the neural tangent kernel before training to that after training",
          remark="1: training moves the kernel by a factor only."),
    Words(name="tangent.label_alignment", title="Tangent kernel: alignment with the labels",
          label="yᵀΘy / (‖y‖² ‖Θ‖)", scope="network", decimals=3),
    Words(name="tangent.effective_rank", title="Tangent kernel: effective rank", label="effective rank",
          scope="network"),
    Words(name="tangent.trace_over_prediction", title="Tangent kernel: trace over its prediction",
          label="trace / (dense trace × densities)", scope="network"),
    Words(name="cavity_within_class.delta_abs_kurtosis_difference_beyond_size_shuffled",
          title="Cavity effect on |κ| within classes, beyond size alone",
          label="Δ|κ| within classes, kept − pruned, minus size alone",
          short_label="the same beyond size alone"),
    Words(name="cavity_within_class.delta_abs_kurtosis_threshold_jump",
          title="Cavity effect on |κ| within classes, at the threshold of |w|",
          label="jump of Δ|κ| within classes at the threshold",
          short_label="jump at the threshold"),
    Words(name="cavity_within_class.delta_abs_kurtosis_difference",
          title="Cavity effect on |κ| within classes", label="Δ|κ| within classes, kept − pruned"),
    Words(name="cavity_within_class.delta_abs_kurtosis_matched_difference",
          title="Cavity effect on |κ| within classes, at equal |w|",
          label="Δ|κ| within classes at equal |w|, kept − pruned",
          short_label="the same at equal |w|"),
    Words(name="cavity.num_undefined",
          meaning="cavity effect of weights without which their unit does not vary"),
    # Initialisation: how much of the mask it decides.
    Words(name="initialisation.rank_correlation", title="Size of weights before and after training",
          label="Spearman's ρ of |w| before and after", short="ρ(init)",
          meaning="rank correlation of a weight's size before and after the level's training",
          remark="At 1, training changes no rank, and the mask follows the initialisation.", null=0.0,
          null_label="unrelated"),
    Words(name="initialisation.foretold_share", title="Pruning foretold by the initialisation",
          label="share of pruned weights", short="foretold",
          meaning="share of the pruned weights that pruning by size before training would also remove"),
    Words(name="initialisation.foretold_share_chance", title="The same by chance"),
    Words(name="initialisation.same_sign_share", title="Signs kept", label="share of kept weights",
          meaning="share of the weights kept after the level with the sign they began with", null=0.5),
    Words(name="initialisation.distance_travelled", title="Distance travelled in training",
          label="‖w − w₀‖ / ‖w₀‖",
          meaning="distance of a layer's weights from those that the level's training began with, over the "
          "length of these"),
    Words(name="initialisation.distance_travelled_shuffled", title="The same, shuffled within units"),
    Words(name="recovery.precision", title="Planted supports: precision", label="share of the weights",
          scope="network", decimals=2, meaning="share of the matched units' weights inside planted supports"),
    Words(name="recovery.precision_expected", title="The same by chance", scope="network"),
    Words(name="recovery.recall", title="Planted supports: recall", label="share of the supports",
          scope="network", decimals=2, meaning="share of the planted supports that matched units keep"),
    Words(name="recovery.recall_expected", title="The same by chance", scope="network"),
    Words(name="recovery.input_auroc", title="Planted inputs found", label="AUROC of kept weights",
          scope="network", decimals=2, null=0.5,
          meaning="probability that a planted input keeps more weights than another input"),
    Words(name="recovery.input_auroc_permuted", title="The same for permuted supports", scope="network"),
    Words(name="recovery.input_auroc_of_parents", title="Parents of the label found",
          label="AUROC of kept weights, parents", scope="network", null=0.5),
    Words(name="recovery.input_auroc_of_children", title="Children of the label found",
          label="AUROC of kept weights, children", scope="network", null=0.5),
    Words(name="recovery.input_auroc_of_co_parents", title="Co-parents of the label found",
          label="AUROC of kept weights, co-parents", scope="network", null=0.5),
    Words(name="shape_fits.gabor_r_squared", title="Gabor fit of receptive fields", label="r²",
          meaning="mean r² of the Gabor fits to weights"),
    Words(name="shape_fits.gabor_r_squared_shuffled", title="The same for shuffled weights"),
    Words(name="one_neuron.ipr", title="Inverse participation ratio", label="ipr"),
    Words(name="one_neuron.localised_share", title="Share of units with ipr > 0.2", label="localised share"),
    Words(name="sample_complexity.log2_samples", title="Samples needed", label="log₂ samples"),
    Words(name="sample_complexity.is_found", title="Teacher found", label="share of teachers"),
    Words(name="rules.p_true", title="Planted rule found", label="P(planted rule)"),
    Words(name="rules.p_true_permuted", title="… with permuted confidences",
          label="P(planted rule), permuted confidences"),
    Words(name="rules.p_true_rotated", title="… with rotated examples",
          label="P(planted rule), rotated examples"),
    Words(name="ensemble.accuracy", title="Accuracy of ensembles", label="accuracy of the ensemble"),
    Words(name="ensemble.joint_beyond_matched", title="Joint predictions of ensembles",
          label="joint −log p, minus dense (nats)"),
    Words(name="ensemble.disagreement", title="Disagreement of members", label="share that disagrees"),
    Words(name="bandit.regret", title="Regret", label="regret / that of random actions"),
)  # fmt: skip
QUANTITIES: Mapping[str, Words] = {words.name: words for words in _ENTRIES}


def words_of(quantity: str) -> Words:
    """Return the catalogue's entry of a quantity; without one, its name serves as title and label."""
    return QUANTITIES.get(quantity) or Words(name=quantity, title=quantity, label=quantity)
