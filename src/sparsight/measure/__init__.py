"""Measurements of receptive fields and pre-activations, as pure functions of arrays.

Cavity (the effect of each weight on its unit's non-Gaussianity): `_cavity`, its formula in `_cavity_effects`;
within classes `_class_mean_effects`; its two parts `_kurtosis_parts`; several weights at once
`_joint_cavity`; kept against pruned weights `_cavity_contrast`, with the controls `_cavity_controls` and
`_threshold_contrast`; between levels `_cavity_change`; against other maps `_rank_correlations`; without
sampling, for inputs that are a chain, `_markov_chain`. The same for the difference between classes in
variance, without a fourth moment: `_class_variance`. Below them, from weights and samples to joint moments:
`_scaled_layer`, `_sample_blocks`, `_unit_input_pairs`, `_moments`, `_power_sums`.

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

Probes of the whole network: whether confidences are true, `_calibration`; what a linear readout finds in a
representation, `_readout`; what noise does, in closed form `_noise_moments` and by sampling `_sampled_noise`,
and to a classifier `_noisy_accuracy`; what a network says far from its data, `_extrapolation`; whether it
tells its data from others, `_out_of_distribution`.

Several networks at once: what an ensemble says about one sample and about several, `_ensemble`; ensembles
that are equally likely sample by sample, `_temperature`.

Symbols: rules learned from what a network calls its inputs, `_rule_learning`, and the space that they are
chosen from, `_comparison_clauses`.

Masks beside each other, `_mask_overlap`; beside a planted one, `_support_recovery`; a mask as a graph,
`_mask_graph`; representations beside each other, `_representation_similarity`; curvature from products with a
Hessian, `_curvature`.

Replicates (error bars): `_intervals`, `_fieller` for ratios, `_median_interval`; pairs of replicates,
`_pairs_of_replicates`; all subsets of them, `_subsets_of_replicates`; `_p_values`, `_cliffs_delta`,
`_detectable_effect`. Means of defined values: `_means`.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
