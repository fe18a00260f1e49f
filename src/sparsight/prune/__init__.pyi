from ._checks import (
    check_at_steps as check_at_steps,
    check_settings as check_settings,
    dense_masks as dense_masks,
)
from ._connectivity import connectivity as connectivity, paths as paths
from ._imp import imp as imp, train_masked as train_masked
from ._level import (
    Acceleration as Acceleration,
    Checkpoint as Checkpoint,
    Level as Level,
    Progress as Progress,
    Replicate as Replicate,
    Snapshots as Snapshots,
    State as State,
)
from ._level_trainer import trained_again as trained_again
from ._mask_sources import MaskSource as MaskSource, check_shapes as check_shapes
from ._masks import check_mask as check_mask, num_kept_of as num_kept_of
from ._network_checks import (
    check_module as check_module,
    check_task as check_task,
    check_weights as check_weights,
    copied as copied,
    fitted_inputs as fitted_inputs,
    layers_called as layers_called,
)
from ._rearrangement import RearrangedMasks as RearrangedMasks, rearranged as rearranged
from ._regrowth import Regrowth as Regrowth, regrown as regrown
from ._schedule import Schedule as Schedule, layer_of as layer_of
from ._settings import WINDOWS as WINDOWS, PruningSettings as PruningSettings, overridden as overridden
from ._starting_state import starting_state as starting_state
from ._together import check_together as check_together, imp_together as imp_together
from ._windows import CompactWindows as CompactWindows
from .criteria._registry import (
    CRITERIA as CRITERIA,
    NUM_SAMPLES as NUM_SAMPLES,
    Trained as Trained,
    criterion as criterion,
)
