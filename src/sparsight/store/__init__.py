"""A run on disk: writing it so that it survives anything, and reading it back.

A run and its parts:

_run_directory    every path in a run, and who may write to it
_level_files      weights, masks and measures of a level, written and verified
_level_arrays     how they are packed into arrays
_level_record     level.json: the record that vouches for them
_environment      environment.json: machine and versions
_own_code         source and digest of the user's own criteria, instruments and data sources
_own_functions    which of them a recipe uses
_identity         what a replicate is of
_checkpoint_file  the middle of a level
_crossover_file   crossovers.json: at which densities layers train on kept weights
_overlap_file     overlap.json: overlap of masks, for the report
_progress_file    how far a replicate is, for displays

What keeps it whole:

_sealed_json      JSON files with a version and a digest
_lock             one writer at a time
_containment      no writing through links
_integrity        which files are damaged, and what to compute again

Reading it:

_results          Run: tidy frame, labelled arrays, every level
_stored_masks     the masks of a replicate, for another condition to take
_mask_overlaps    overlap of masks between seeds, conditions, levels and runs
_summaries        mean and interval over replicates
_run_state        running, finished, stopped or damaged
_time_left        how long it will still take

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
