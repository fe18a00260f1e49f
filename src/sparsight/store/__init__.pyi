from ._checkpoint_file import (
    read_checkpoint as read_checkpoint,
    write_checkpoint as write_checkpoint,
)
from ._containment import refuse_link as refuse_link
from ._crossover_file import recorded_crossovers as recorded_crossovers
from ._environment import (
    environment as environment,
    environment_changes as environment_changes,
    made_with as made_with,
)
from ._identity import identity_of as identity_of
from ._integrity import (
    ReplicateHealth as ReplicateHealth,
    check_replicate as check_replicate,
    check_run as check_run,
    check_without_recipe as check_without_recipe,
    newer_files as newer_files,
    set_aside_damaged as set_aside_damaged,
)
from ._level_files import (
    StoredLevel as StoredLevel,
    read_level as read_level,
    read_measures as read_measures,
    write_level as write_level,
    write_record as write_record,
)
from ._level_record import (
    LevelRecord as LevelRecord,
    RecordedQuantity as RecordedQuantity,
    read_record as read_record,
)
from ._lock import exclusive_writing as exclusive_writing
from ._mask_overlaps import mask_overlaps as mask_overlaps, overlap_intervals as overlap_intervals
from ._overlap_file import OVERLAP as OVERLAP, read_overlap as read_overlap, write_overlap as write_overlap
from ._own_functions import (
    missing_functions as missing_functions,
    own_functions as own_functions,
    own_instruments as own_instruments,
)
from ._progress_file import (
    ProgressClock as ProgressClock,
    TrainingProgress as TrainingProgress,
    forget_progress as forget_progress,
    write_progress as write_progress,
)
from ._results import Run as Run, open_run as open_run
from ._run_directory import (
    CHECKPOINT as CHECKPOINT,
    RECIPE as RECIPE,
    RunDirectory as RunDirectory,
    default_path as default_path,
    holds_others as holds_others,
    level_name as level_name,
)
from ._run_state import ReplicateState as ReplicateState, RunState as RunState, run_state as run_state
from ._sealed_json import read_sealed as read_sealed, write_sealed as write_sealed
from ._stored_masks import StoredMasks as StoredMasks
from ._summaries import intervals_by_level as intervals_by_level
