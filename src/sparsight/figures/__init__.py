"""Plots: every ``plot_*(data, ax=None)`` takes plain arrays or tables and returns the Axes it drew on.

Words and looks, shared by all plots and by the report:

_words: Titles, axis labels, captions, null values and conclusions of every quantity.
_catalogue: Which quantities are shown where.
_palette: Colours, markers and dashes, readable without colour vision.
_axes: New Axes, legends, the density axis, maps over pixels.

Plots:

_over_density: Curves over density: several conditions, or one condition beside its controls.
_over_training: Curves over the steps within every level.
_linear_paths: Loss and accuracy on the line between two copies of every level.
_level_lines: One line per level, which both of these draw.
_differences: Differences between conditions or runs, with their intervals.
_receptive_fields: Receptive fields as mosaics or heat rows; number of weights on each pixel.
_locality: Pair counts S(d) relative to chance: maps, profiles over distance; fan-in of units.
_locality_levels: S(d), its expectation and their ratio, level by level.
_mask_overlaps: Overlap of masks beyond that of random masks.
_ensembles: Tickets as ensembles, over density.
_transfer: Masks found on one kind of data, trained on another, as a matrix.
_cavity_distributions: Cavity effects of single weights, kept beside pruned, at every level.
_units: One unit: histogram of its pre-activations, and map of its cavity effects.
_sweeps: One quantity over one field that a sweep varies, or over two.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
