"""Plots: every ``plot_*(data, ax=None)`` takes plain arrays or tables and returns the Axes it drew on.

Words and looks, shared by all plots and by the report:

_words: Titles, axis labels, captions, null values and conclusions of every quantity.
_catalogue: Which quantities are shown where.
_palette: Colours, markers and dashes, readable without colour vision.
_axes: New Axes, legends, the density axis, maps over pixels.

Plots:

_over_density: Curves over density: several conditions, or one condition beside its controls.
_over_training: Curves over the steps within every level.
_differences: Differences between conditions or runs, with their intervals.
_receptive_fields: Receptive fields as mosaics or heat rows; number of weights on each pixel.
_locality: Pair counts S(d) relative to chance: maps, profiles over distance; fan-in of units.
_locality_levels: S(d), its expectation and their ratio, level by level.
_mask_overlaps: Overlap of masks beyond that of random masks.
_transfer: Masks found on one kind of data, trained on another, as a matrix.
_cavity_distributions: Cavity effects of single weights, kept beside pruned, at every level.
_units: One unit: histogram of its pre-activations, and map of its cavity effects.
_sweeps: One quantity over one field that a sweep varies, or over two.
"""

from sparsight.figures._axes import BELOW_AXIS as BELOW_AXIS
from sparsight.figures._catalogue import CATALOGUE as CATALOGUE
from sparsight.figures._cavity_distributions import (
    plot_cavity_distributions as plot_cavity_distributions,
    quantiles_of as quantiles_of,
)
from sparsight.figures._differences import plot_differences as plot_differences
from sparsight.figures._locality import (
    plot_fan_in as plot_fan_in,
    plot_locality_map as plot_locality_map,
    plot_locality_profile as plot_locality_profile,
)
from sparsight.figures._locality_levels import (
    locality_pictures as locality_pictures,
    plot_locality_levels as plot_locality_levels,
)
from sparsight.figures._mask_overlaps import plot_mask_overlaps as plot_mask_overlaps
from sparsight.figures._over_density import (
    plot_controls as plot_controls,
    plot_over_density as plot_over_density,
)
from sparsight.figures._over_training import plot_over_training as plot_over_training
from sparsight.figures._own_quantities import (
    MOST_OWN as MOST_OWN,
    own_quantities as own_quantities,
    summary_columns as summary_columns,
)
from sparsight.figures._palette import (
    PALETTE as PALETTE,
    PRUNED as PRUNED,
    looks as looks,
    signed_table as signed_table,
)
from sparsight.figures._receptive_fields import (
    SATURATION as SATURATION,
    evenly_spaced as evenly_spaced,
    field_colours as field_colours,
    field_key as field_key,
    mosaic as mosaic,
    plot_fan_out as plot_fan_out,
    plot_receptive_fields as plot_receptive_fields,
)
from sparsight.figures._sweeps import write_sweep_figure as write_sweep_figure
from sparsight.figures._transfer import plot_transfer as plot_transfer
from sparsight.figures._units import (
    plot_cavity_map as plot_cavity_map,
    plot_preactivations as plot_preactivations,
)
from sparsight.figures._words import QUANTITIES as QUANTITIES, Words as Words, words_of as words_of
