from ._axes import BELOW_AXIS as BELOW_AXIS
from ._catalogue import CATALOGUE as CATALOGUE
from ._cavity_distributions import (
    plot_cavity_distributions as plot_cavity_distributions,
    quantiles_of as quantiles_of,
)
from ._differences import plot_differences as plot_differences
from ._ensembles import ENSEMBLE_QUANTITIES as ENSEMBLE_QUANTITIES, plot_ensembles as plot_ensembles
from ._linear_paths import plot_linear_paths as plot_linear_paths
from ._locality import (
    plot_fan_in as plot_fan_in,
    plot_locality_map as plot_locality_map,
    plot_locality_profile as plot_locality_profile,
)
from ._locality_levels import (
    locality_pictures as locality_pictures,
    plot_locality_levels as plot_locality_levels,
)
from ._mask_overlaps import plot_mask_overlaps as plot_mask_overlaps
from ._over_density import plot_controls as plot_controls, plot_over_density as plot_over_density
from ._over_training import plot_over_training as plot_over_training
from ._own_quantities import (
    MOST_OWN as MOST_OWN,
    own_quantities as own_quantities,
    summary_columns as summary_columns,
)
from ._palette import PALETTE as PALETTE, PRUNED as PRUNED, looks as looks, signed_table as signed_table
from ._receptive_fields import (
    SATURATION as SATURATION,
    evenly_spaced as evenly_spaced,
    field_colours as field_colours,
    field_key as field_key,
    mosaic as mosaic,
    plot_fan_out as plot_fan_out,
    plot_receptive_fields as plot_receptive_fields,
)
from ._sweeps import write_sweep_figure as write_sweep_figure
from ._transfer import plot_transfer as plot_transfer
from ._units import plot_cavity_map as plot_cavity_map, plot_preactivations as plot_preactivations
from ._words import QUANTITIES as QUANTITIES, Words as Words, words_of as words_of
