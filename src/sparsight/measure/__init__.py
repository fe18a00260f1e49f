"""Instruments: what pruning does to receptive fields and pre-activations, as functions of arrays.

_cavity: The cavity method: what each weight adds to the non-Gaussianity of its unit.
_cavity_change: The cavity after retraining: what a level changed in the effect of the weights that stay.
_cavity_contrast: Kept against pruned: do the weights that stay raise non-Gaussianity more than those that g
_cavity_effects: From joint moments to the effect of removing each weight.
_curveball: Degree-preserving randomisation of a mask: curveball trades between pairs of units.
_gaussianity: How far a unit's pre-activation is from a Gaussian.
_gaussianity_controls: Pre-activations that a unit would have by its fan-in and weight values alone: the con
_intervals: Means, differences and intervals over replicates: the one place where error bars are made.
_joint_cavity: What a set of weights adds to the non-Gaussianity of its unit, removed together and summed on
_locality: Locality: how often two kept inputs of one unit lie close together or far apart, against a null.
_moments: Joint moments of pre-activations and inputs, streaming and mergeable.
_nulls: Random maps that keep as much of a map as one likes: by closed form, and by drawing them.
_pair_counts: Exact counts of pairs of inputs at every displacement, by FFT autocorrelation.
_preactivation_histogram: Histograms of standardised pre-activations, on bins that all units share, to lay a
_receptive_field: The shape of single receptive fields: concentration, centre, extent, pieces.
_sample_blocks: Samples in blocks, from whatever holds them: an array, a tensor, a memory map, or batches.
_scaled_layer: The kept weights of a layer, in units in which pre-activations and inputs are near 1.
_shape_fits: Gaussian and Gabor fits to receptive fields, with r².
_student_interval: Student's interval over replicates, and the smallest effect that so many would have found
_unit_input_pairs: Pairs of a unit and an input, all of them or a list: where cross-moments live.
"""

from sparsight.measure._cavity import cavity as cavity, each_class_then_all as each_class_then_all
from sparsight.measure._cavity_change import CavityChange as CavityChange, cavity_change as cavity_change
from sparsight.measure._cavity_contrast import (
    contrast as contrast,
    matched_contrast as matched_contrast,
    matched_shares as matched_shares,
)
from sparsight.measure._cavity_effects import Cavity as Cavity
from sparsight.measure._gaussianity import Gaussianity as Gaussianity, gaussianity as gaussianity
from sparsight.measure._gaussianity_controls import (
    preactivations as preactivations,
    random_mask_weight as random_mask_weight,
    shuffled_weight as shuffled_weight,
    varying_inputs as varying_inputs,
)
from sparsight.measure._intervals import (
    Interval as Interval,
    describe as describe,
    difference as difference,
    mean_interval as mean_interval,
    paired_difference as paired_difference,
)
from sparsight.measure._joint_cavity import joint_cavity as joint_cavity
from sparsight.measure._locality import (
    SUMMARIES as SUMMARIES,
    Locality as Locality,
    localities as localities,
    locality as locality,
    locality_by_fan_in as locality_by_fan_in,
)
from sparsight.measure._means import mean_of_defined as mean_of_defined, mean_over as mean_over
from sparsight.measure._nulls import Null as Null, sample_masks as sample_masks
from sparsight.measure._preactivation_histogram import (
    HISTOGRAM_EDGES as HISTOGRAM_EDGES,
    gaussian_shares as gaussian_shares,
    preactivation_histogram as preactivation_histogram,
)
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
from sparsight.measure._shape_fits import (
    fit_gabor as fit_gabor,
    fit_gaussian as fit_gaussian,
    shuffled_over_kept as shuffled_over_kept,
)
from sparsight.measure._student_interval import (
    smallest_detectable_effect as smallest_detectable_effect,
    student_interval as student_interval,
)
