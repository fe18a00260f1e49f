from ._activation_lines import Range as Range
from ._bound_propagation import Method as Method
from ._calibration import (
    NUM_BINS as NUM_BINS,
    Calibration as Calibration,
    calibrated_ece as calibrated_ece,
    calibration as calibration,
    expected_calibration_error as expected_calibration_error,
)
from ._cavity import cavity as cavity, each_class_then_all as each_class_then_all
from ._cavity_change import CavityChange as CavityChange, cavity_change as cavity_change
from ._cavity_contrast import (
    contrast as contrast,
    matched_contrast as matched_contrast,
    matched_shares as matched_shares,
)
from ._cavity_controls import random_kept as random_kept, size_shuffled as size_shuffled
from ._cavity_effects import Cavity as Cavity
from ._certified_bounds import certified_bounds as certified_bounds
from ._chain import Chain as Chain, layer_states as layer_states
from ._class_mean_effects import SMALLEST_CLASS as SMALLEST_CLASS, class_mean_effects as class_mean_effects
from ._class_variance import (
    class_variance_effect as class_variance_effect,
    class_variance_score as class_variance_score,
)
from ._cliffs_delta import cliffs_delta as cliffs_delta
from ._comparison_clauses import (
    ComparisonClause as ComparisonClause,
    clauses_hold as clauses_hold,
    comparison_clauses as comparison_clauses,
)
from ._curvature import (
    HessianProduct as HessianProduct,
    TraceEstimate as TraceEstimate,
    hutchinson_trace as hutchinson_trace,
    largest_eigenvalue as largest_eigenvalue,
)
from ._detectable_effect import (
    num_replicates_needed as num_replicates_needed,
    smallest_detectable_effect as smallest_detectable_effect,
)
from ._ensemble import (
    NUM_ANCHORS as NUM_ANCHORS,
    NUM_DRAWS as NUM_DRAWS,
    disagreement as disagreement,
    ensemble_log_probabilities as ensemble_log_probabilities,
    joint_log_likelihood as joint_log_likelihood,
    joint_nll as joint_nll,
    marginal_nll as marginal_nll,
)
from ._expected_locality import SUMMARIES as SUMMARIES
from ._extrapolation import Far as Far, far_from_data as far_from_data, ray_linearity as ray_linearity
from ._fieller import fieller_interval as fieller_interval
from ._gaussianity import Gaussianity as Gaussianity, gaussianity as gaussianity
from ._gaussianity_controls import (
    preactivations as preactivations,
    random_mask_weight as random_mask_weight,
    shuffled_weight as shuffled_weight,
    varying_inputs as varying_inputs,
)
from ._independent_kurtosis import independent_kurtosis as independent_kurtosis
from ._initialisation import (
    InitialisationTrace as InitialisationTrace,
    initialisation_trace as initialisation_trace,
)
from ._intervals import (
    Interval as Interval,
    describe as describe,
    difference as difference,
    paired_difference as paired_difference,
    student_interval as student_interval,
)
from ._ipr_null import ipr_of_cut_gaussian as ipr_of_cut_gaussian
from ._joint_cavity import joint_cavity as joint_cavity
from ._kernel_similarity import centred_cosine as centred_cosine, label_alignment as label_alignment
from ._kurtosis_parts import KurtosisParts as KurtosisParts, kurtosis_parts as kurtosis_parts
from ._locality import (
    Locality as Locality,
    localities as localities,
    locality as locality,
    locality_by_fan_in as locality_by_fan_in,
)
from ._locality_verdict import (
    FAR_MARGIN as FAR_MARGIN,
    RADIUS_MARGIN as RADIUS_MARGIN,
    SHARE_MARGIN as SHARE_MARGIN,
    LocalityVerdict as LocalityVerdict,
    locality_verdict as locality_verdict,
)
from ._markov_chain import (
    MarkovChain as MarkovChain,
    exact_cavity_of_chain as exact_cavity_of_chain,
    ising_chain as ising_chain,
)
from ._mask_graph import (
    MaskGraph as MaskGraph,
    effective_rank as effective_rank,
    mask_graph as mask_graph,
    singular_values as singular_values,
)
from ._mask_overlap import (
    MaskOverlap as MaskOverlap,
    intersection_over_union as intersection_over_union,
    mask_overlap as mask_overlap,
    matched_units as matched_units,
    overlap_beside as overlap_beside,
)
from ._mean_field import (
    MeanField as MeanField,
    Susceptibilities as Susceptibilities,
    mean_field as mean_field,
    retained_variance as retained_variance,
    susceptibilities as susceptibilities,
)
from ._means import mean_of_defined as mean_of_defined, weighted_mean_of_defined as weighted_mean_of_defined
from ._median_interval import median_interval as median_interval
from ._most_near_pairs import most_near_pairs as most_near_pairs
from ._noise_moments import (
    Moments as Moments,
    noise_moments as noise_moments,
    relu_moments as relu_moments,
)
from ._noisy_accuracy import accuracy_by_noise as accuracy_by_noise, noisy_accuracy as noisy_accuracy
from ._nulls import Null as Null, sample_masks as sample_masks
from ._out_of_distribution import (
    auroc as auroc,
    combined_score as combined_score,
    energy_score as energy_score,
    fpr95 as fpr95,
    largest_probability as largest_probability,
    neural_activation_prior as neural_activation_prior,
    prior_weight as prior_weight,
)
from ._p_values import mean_p as mean_p, median_p as median_p, ratio_p as ratio_p
from ._pairs_of_replicates import pair_pseudovalues as pair_pseudovalues
from ._preactivation_histogram import (
    HISTOGRAM_EDGES as HISTOGRAM_EDGES,
    gaussian_shares as gaussian_shares,
    preactivation_histogram as preactivation_histogram,
)
from ._projected_gradient import pgd_accuracy as pgd_accuracy
from ._rank_correlations import rank_correlations as rank_correlations
from ._readout import (
    RidgeReadout as RidgeReadout,
    coding_level as coding_level,
    dimensionality as dimensionality,
    lifetime_sparseness as lifetime_sparseness,
    ridge_readout as ridge_readout,
    winners as winners,
)
from ._receptive_field import (
    distance_from_centre as distance_from_centre,
    entropy as entropy,
    envelope as envelope,
    fan_in_histogram as fan_in_histogram,
    fan_out as fan_out,
    ipr as ipr,
    ipr_of_fan_in as ipr_of_fan_in,
    num_components as num_components,
    participation_ratio as participation_ratio,
)
from ._redrawn_weights import (
    bernoulli_mask_kurtosis as bernoulli_mask_kurtosis,
    gp_kurtosis as gp_kurtosis,
    mask_kurtosis as mask_kurtosis,
)
from ._representation_similarity import linear_cka as linear_cka
from ._rule_learning import (
    CONSTANT_PENALTY as CONSTANT_PENALTY,
    LearnedRule as LearnedRule,
    check_rule_learning as check_rule_learning,
    example_penalty as example_penalty,
    learn_rule as learn_rule,
)
from ._sampled_noise import (
    SampledNoise as SampledNoise,
    sampled_noise as sampled_noise,
    switching_logits as switching_logits,
)
from ._sampled_range import sampled_range as sampled_range
from ._shape_fits import (
    fit_gabor as fit_gabor,
    fit_gaussian as fit_gaussian,
    shuffled_over_kept as shuffled_over_kept,
)
from ._subsets_of_replicates import (
    subset_pseudovalues as subset_pseudovalues,
    subset_size as subset_size,
    subsets_of as subsets_of,
)
from ._support_recovery import (
    SupportRecovery as SupportRecovery,
    input_auroc as input_auroc,
    support_recovery as support_recovery,
)
from ._tangent_kernel import tangent_kernel as tangent_kernel
from ._temperature import matching_temperature as matching_temperature
from ._threshold_contrast import (
    ThresholdContrast as ThresholdContrast,
    threshold_contrast as threshold_contrast,
)
from ._verified_accuracy import (
    SwitchingShares as SwitchingShares,
    certified_margin as certified_margin,
    certified_radius as certified_radius,
    switching_shares as switching_shares,
    verified_accuracy as verified_accuracy,
)
