"""A run on disk: writing it so that it survives anything, and reading it back.

A run and its parts:

_run_directory    every path in a run, and who may write to it
_level_files      weights, masks and measures of a level, written and verified
_level_arrays     how they are packed into arrays
_level_record     level.json: the record that vouches for them
_environment      environment.json: machine and versions
_own_code         source and digest of the user's own criteria, instruments and data sources
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
_equal_accuracy   conditions compared at equal accuracy
_run_state        running, finished, stopped or damaged
_time_left        how long it will still take
"""

from sparsight.instruments import NETWORK as NETWORK
from sparsight.store._checkpoint_file import (
    CHECKPOINT as CHECKPOINT,
    read_checkpoint as read_checkpoint,
    write_checkpoint as write_checkpoint,
)
from sparsight.store._containment import refuse_link as refuse_link
from sparsight.store._crossover_file import recorded_crossovers as recorded_crossovers
from sparsight.store._environment import (
    environment as environment,
    environment_changes as environment_changes,
    made_with as made_with,
)
from sparsight.store._equal_accuracy import at_equal_accuracy as at_equal_accuracy
from sparsight.store._identity import identity_of as identity_of
from sparsight.store._integrity import (
    ReplicateHealth as ReplicateHealth,
    check_replicate as check_replicate,
    check_run as check_run,
    check_without_recipe as check_without_recipe,
    set_aside_damaged as set_aside_damaged,
)
from sparsight.store._level_files import (
    StoredLevel as StoredLevel,
    read_level as read_level,
    read_measures as read_measures,
    write_level as write_level,
    write_record as write_record,
)
from sparsight.store._level_record import (
    LevelRecord as LevelRecord,
    RecordedQuantity as RecordedQuantity,
    read_record as read_record,
)
from sparsight.store._lock import exclusive_writing as exclusive_writing
from sparsight.store._mask_overlaps import (
    mask_overlaps as mask_overlaps,
    overlap_intervals as overlap_intervals,
)
from sparsight.store._overlap_file import (
    OVERLAP as OVERLAP,
    read_overlap as read_overlap,
    write_overlap as write_overlap,
)
from sparsight.store._own_code import (
    missing_functions as missing_functions,
    own_functions as own_functions,
    own_instruments as own_instruments,
)
from sparsight.store._progress_file import (
    ProgressClock as ProgressClock,
    TrainingProgress as TrainingProgress,
    forget_progress as forget_progress,
    write_progress as write_progress,
)
from sparsight.store._results import Run as Run, open_run as open_run
from sparsight.store._run_directory import (
    RECIPE as RECIPE,
    RunDirectory as RunDirectory,
    default_path as default_path,
    holds_others as holds_others,
    level_name as level_name,
)
from sparsight.store._run_state import (
    ReplicateState as ReplicateState,
    RunState as RunState,
    run_state as run_state,
)
from sparsight.store._sealed_json import read_sealed as read_sealed, write_sealed as write_sealed
from sparsight.store._stored_masks import StoredMasks as StoredMasks
from sparsight.store._summaries import intervals_by_level as intervals_by_level
