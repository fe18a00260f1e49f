"""Measurements of receptive fields and pre-activations, as pure functions of arrays.

Cavity (the effect of each weight on its unit's non-Gaussianity): `_cavity`, its formula in `_cavity_effects`;
within classes `_class_mean_effects`; its two parts `_kurtosis_parts`; several weights at once
`_joint_cavity`; kept against pruned weights `_cavity_contrast`, with the controls `_cavity_controls` and
`_threshold_contrast`; between levels `_cavity_change`; against other maps `_rank_correlations`. The same for
the difference between classes in variance, without a fourth moment: `_class_variance`. Below them, from
weights and samples to joint moments: `_scaled_layer`, `_sample_blocks`, `_unit_input_pairs`, `_moments`,
`_power_sums`.

Gaussianity (the distance of pre-activations from a Gaussian): `_gaussianity`, `_spacing_negentropy`,
`_preactivation_histogram`; the controls with the same fan-in, `_gaussianity_controls`; and what independent
inputs would give, `_independent_kurtosis`.

Locality (how close together a unit's inputs are): `_locality`, compared with `_expected_locality`; of each
unit, `_unit_locality`, relative to the ceiling in `_most_near_pairs`; the word for it, `_locality_verdict`.
Pairs are counted in `_pair_counts`; random masks come from `_nulls` and `_curveball`. Single receptive
fields: `_receptive_field`, `_ipr_null`, `_shape_fits`.

Initialisation (what a mask owes to the weights that training began with): `_initialisation`.

Robustness (what a classifier says while its input moves in a ball): the network as arrays, `_chain`; bounds
on its logits, `_certified_bounds`, from `_bound_propagation` and `_activation_lines`; what they prove,
`_verified_accuracy`; the attack beside them, `_projected_gradient`; the ranges that
samples reach, `_sampled_range`.

Random networks: order and chaos, `_mean_field`; whether masks leave a Gaussian process, `_redrawn_weights`.

Kernels: the neural tangent kernel, `_tangent_kernel`; beside another, `_kernel_similarity`.

Masks beside each other, `_mask_overlap`; a mask as a graph, `_mask_graph`; representations beside each other,
`_representation_similarity`; curvature from products with a Hessian, `_curvature`.

Replicates (error bars): `_intervals`, `_fieller` for ratios, `_median_interval`; pairs of replicates,
`_pairs_of_replicates`; `_p_values`, `_cliffs_delta`, `_detectable_effect`. Means of defined values: `_means`.
"""

from sparsight.measure._activation_lines import Range as Range
from sparsight.measure._bound_propagation import Method as Method
from sparsight.measure._cavity import cavity as cavity, each_class_then_all as each_class_then_all
from sparsight.measure._cavity_change import CavityChange as CavityChange, cavity_change as cavity_change
from sparsight.measure._cavity_contrast import (
    contrast as contrast,
    matched_contrast as matched_contrast,
    matched_shares as matched_shares,
)
from sparsight.measure._cavity_controls import random_kept as random_kept, size_shuffled as size_shuffled
from sparsight.measure._cavity_effects import Cavity as Cavity
from sparsight.measure._certified_bounds import certified_bounds as certified_bounds
from sparsight.measure._chain import Chain as Chain, layer_states as layer_states
from sparsight.measure._class_mean_effects import (
    SMALLEST_CLASS as SMALLEST_CLASS,
    class_mean_effects as class_mean_effects,
)
from sparsight.measure._class_variance import (
    class_variance_effect as class_variance_effect,
    class_variance_score as class_variance_score,
)
from sparsight.measure._cliffs_delta import cliffs_delta as cliffs_delta
from sparsight.measure._curvature import (
    HessianProduct as HessianProduct,
    TraceEstimate as TraceEstimate,
    hutchinson_trace as hutchinson_trace,
    largest_eigenvalue as largest_eigenvalue,
)
from sparsight.measure._detectable_effect import (
    num_replicates_needed as num_replicates_needed,
    smallest_detectable_effect as smallest_detectable_effect,
)
from sparsight.measure._expected_locality import SUMMARIES as SUMMARIES
from sparsight.measure._fieller import fieller_interval as fieller_interval
from sparsight.measure._gaussianity import Gaussianity as Gaussianity, gaussianity as gaussianity
from sparsight.measure._gaussianity_controls import (
    preactivations as preactivations,
    random_mask_weight as random_mask_weight,
    shuffled_weight as shuffled_weight,
    varying_inputs as varying_inputs,
)
from sparsight.measure._independent_kurtosis import independent_kurtosis as independent_kurtosis
from sparsight.measure._initialisation import (
    InitialisationTrace as InitialisationTrace,
    initialisation_trace as initialisation_trace,
)
from sparsight.measure._intervals import (
    Interval as Interval,
    describe as describe,
    difference as difference,
    paired_difference as paired_difference,
    student_interval as student_interval,
)
from sparsight.measure._ipr_null import ipr_of_cut_gaussian as ipr_of_cut_gaussian
from sparsight.measure._joint_cavity import joint_cavity as joint_cavity
from sparsight.measure._kernel_similarity import (
    centred_cosine as centred_cosine,
    label_alignment as label_alignment,
)
from sparsight.measure._kurtosis_parts import (
    KurtosisParts as KurtosisParts,
    kurtosis_parts as kurtosis_parts,
)
from sparsight.measure._locality import (
    Locality as Locality,
    localities as localities,
    locality as locality,
    locality_by_fan_in as locality_by_fan_in,
)
from sparsight.measure._locality_verdict import (
    FAR_MARGIN as FAR_MARGIN,
    RADIUS_MARGIN as RADIUS_MARGIN,
    SHARE_MARGIN as SHARE_MARGIN,
    LocalityVerdict as LocalityVerdict,
    locality_verdict as locality_verdict,
)
from sparsight.measure._mask_graph import (
    MaskGraph as MaskGraph,
    effective_rank as effective_rank,
    mask_graph as mask_graph,
    singular_values as singular_values,
)
from sparsight.measure._mask_overlap import (
    MaskOverlap as MaskOverlap,
    intersection_over_union as intersection_over_union,
    mask_overlap as mask_overlap,
    matched_units as matched_units,
    overlap_beside as overlap_beside,
)
from sparsight.measure._mean_field import (
    MeanField as MeanField,
    Susceptibilities as Susceptibilities,
    mean_field as mean_field,
    retained_variance as retained_variance,
    susceptibilities as susceptibilities,
)
from sparsight.measure._means import (
    mean_of_defined as mean_of_defined,
    weighted_mean_of_defined as weighted_mean_of_defined,
)
from sparsight.measure._median_interval import median_interval as median_interval
from sparsight.measure._most_near_pairs import most_near_pairs as most_near_pairs
from sparsight.measure._nulls import Null as Null, sample_masks as sample_masks
from sparsight.measure._p_values import mean_p as mean_p, median_p as median_p, ratio_p as ratio_p
from sparsight.measure._pairs_of_replicates import pair_pseudovalues as pair_pseudovalues
from sparsight.measure._preactivation_histogram import (
    HISTOGRAM_EDGES as HISTOGRAM_EDGES,
    gaussian_shares as gaussian_shares,
    preactivation_histogram as preactivation_histogram,
)
from sparsight.measure._projected_gradient import pgd_accuracy as pgd_accuracy
from sparsight.measure._rank_correlations import rank_correlations as rank_correlations
from sparsight.measure._receptive_field import (
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
from sparsight.measure._redrawn_weights import (
    bernoulli_mask_kurtosis as bernoulli_mask_kurtosis,
    gp_kurtosis as gp_kurtosis,
    mask_kurtosis as mask_kurtosis,
)
from sparsight.measure._representation_similarity import linear_cka as linear_cka
from sparsight.measure._sampled_range import sampled_range as sampled_range
from sparsight.measure._shape_fits import (
    fit_gabor as fit_gabor,
    fit_gaussian as fit_gaussian,
    shuffled_over_kept as shuffled_over_kept,
)
from sparsight.measure._tangent_kernel import tangent_kernel as tangent_kernel
from sparsight.measure._threshold_contrast import (
    ThresholdContrast as ThresholdContrast,
    threshold_contrast as threshold_contrast,
)
from sparsight.measure._verified_accuracy import (
    SwitchingShares as SwitchingShares,
    certified_margin as certified_margin,
    certified_radius as certified_radius,
    switching_shares as switching_shares,
    verified_accuracy as verified_accuracy,
)
