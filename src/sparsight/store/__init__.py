"""What a run leaves on disk.

_checkpoint_file: The file from which a level is gone on with in its middle.
_containment: A run directory from somebody else must not lead a writer out of itself.
_crossover_file: The densities below which this run's layers train on kept weights: measured once, the same
_integrity: Which files of a run are whole, and what is to be computed again.
_level_files: The files of one level: weights, masks and measures, and the page that vouches for them.
_level_record: ``level.json``: what a level holds beside its arrays, and the digests that vouch for these.
_lock: One writer for each run directory: who it is, whether it still lives, and what becomes of its right.
_progress_file: How far a replicate is, in a small file that its process renews while it trains.
_results: A run opened for reading: a tidy frame of summaries, labelled arrays, and every level.
_run_directory: The run directory: every path in it, who may write to it, and what is in it.
_run_state: Where a run is as a whole: read from its files, while it runs or long after.
_sealed_json: JSON files that vouch for themselves: a version of the format, and a digest of all the rest.
_summaries: The printed summary: per condition and level, mean and interval over replicates.
_time_left: How long a run will still take, from the levels that are done.
"""

from sparsight.store._checkpoint_file import (
    CHECKPOINT as CHECKPOINT,
    read_checkpoint as read_checkpoint,
    write_checkpoint as write_checkpoint,
)
from sparsight.store._crossover_file import recorded_crossovers as recorded_crossovers
from sparsight.store._integrity import (
    ReplicateHealth as ReplicateHealth,
    check_replicate as check_replicate,
    check_run as check_run,
    set_aside_damaged as set_aside_damaged,
)
from sparsight.store._level_files import (
    read_level as read_level,
    read_measures as read_measures,
    write_level as write_level,
    write_record as write_record,
)
from sparsight.store._level_record import read_record as read_record
from sparsight.store._lock import exclusive_writing as exclusive_writing
from sparsight.store._progress_file import (
    ProgressClock as ProgressClock,
    TrainingProgress as TrainingProgress,
    forget_progress as forget_progress,
    write_progress as write_progress,
)
from sparsight.store._results import NETWORK as NETWORK, Run as Run, open_run as open_run
from sparsight.store._run_directory import (
    RECIPE as RECIPE,
    RunDirectory as RunDirectory,
    default_path as default_path,
    environment as environment,
    unused_path as unused_path,
)
from sparsight.store._run_state import (
    ReplicateState as ReplicateState,
    RunState as RunState,
    run_state as run_state,
)
from sparsight.store._sealed_json import (
    read_sealed as read_sealed,
    write_sealed as write_sealed,
)
from sparsight.store._summaries import (
    COLUMNS as COLUMNS,
    FEW_REPLICATES as FEW_REPLICATES,
    announce_level as announce_level,
    intervals_by_level as intervals_by_level,
    summary_table as summary_table,
)
