"""Every plot function.

_cavity_distributions: The cavity effect of single weights, kept beside pruned, as distributions over levels
_differences: Differences between conditions or runs, each with its interval.
_locality: Pair counts S(d) beside what chance expects: maps, profiles over distance, fan-in.
_locality_levels: S(d) level by level, with what chance expects and their ratio beside it, as pictures.
_over_density: Curves over density: one axes-level function a panel, in matplotlib's object interface.
_palette: Colours and line styles that every figure shares, readable without colour vision.
_quantities: The quantities that are drawn over density: headings, labels, captions, values without the effe
_receptive_fields: Pictures of receptive fields and inputs in their true geometry.
_sweeps: A sweep as a picture: one quantity over any two of the varied fields.
_units: One unit: its pre-activations beside the Gaussian fitted to them, and what each of its weights adds.
"""

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
from sparsight.figures._over_density import (
    BELOW_AXIS as BELOW_AXIS,
    plot_controls as plot_controls,
    plot_over_density as plot_over_density,
)
from sparsight.figures._palette import (
    CONDITION_COLOURS as CONDITION_COLOURS,
    INK as INK,
    MUTED as MUTED,
    RULE as RULE,
    looks as looks,
    signed_table as signed_table,
)
from sparsight.figures._quantities import CURVES as CURVES, FAMILIES as FAMILIES, Family as Family
from sparsight.figures._receptive_fields import (
    SATURATION as SATURATION,
    evenly_spaced as evenly_spaced,
    field_colours as field_colours,
    mosaic as mosaic,
    plot_fan_out as plot_fan_out,
    plot_receptive_fields as plot_receptive_fields,
)
from sparsight.figures._sweeps import write_sweep_figure as write_sweep_figure
from sparsight.figures._units import (
    plot_cavity_map as plot_cavity_map,
    plot_preactivations as plot_preactivations,
)
