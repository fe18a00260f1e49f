"""Pruning: which weights to remove, how many, and when.

The loop
  _imp: iterative magnitude pruning and its relatives, for one network.
  _together: the same loop for several networks, trained as one program.
  _rounds: how a round of one network begins and ends; both loops use it.
  _level_trainer: the trainer of a level, and a level trained once more with other batches.
  _level: the level that a round yields, and the checkpoint that resumes one.

The rules
  _settings: the ``[pruning]`` table of a recipe.
  _checks: whether a network, its data and its training can follow those settings.
  _network_checks: whether a network can be pruned or measured on a task at all.
  _output_layers: which layers a network calls, and which of them gives its outputs.
  _schedule: how many weights each level keeps, and which level is the last.
  _masks: masks from scores and counts.
  _connectivity: which units the masks still connect.
  _collapse: a warning where pruning leaves a layer without weights.

Masks that no criterion chose
  _mask_sources: the masks of every level, given from outside.
  _windows: planted compact windows.
  _rearrangement: the masks of a source, permuted.
  _starting_state: the weights from which such masks are trained.

criteria: one file for each criterion, a function from a trained level to a score for every weight.
"""

from sparsight.prune._checks import check_settings as check_settings, dense_masks as dense_masks
from sparsight.prune._connectivity import connectivity as connectivity, paths as paths
from sparsight.prune._imp import imp as imp, train_masked as train_masked
from sparsight.prune._level import (
    Acceleration as Acceleration,
    Checkpoint as Checkpoint,
    Level as Level,
    Progress as Progress,
    Replicate as Replicate,
    State as State,
)
from sparsight.prune._level_trainer import trained_again as trained_again
from sparsight.prune._mask_sources import MaskSource as MaskSource, check_shapes as check_shapes
from sparsight.prune._masks import check_mask as check_mask, num_kept_of as num_kept_of
from sparsight.prune._network_checks import (
    check_module as check_module,
    check_task as check_task,
    check_weights as check_weights,
    copied as copied,
    fitted_inputs as fitted_inputs,
    layers_called as layers_called,
)
from sparsight.prune._rearrangement import RearrangedMasks as RearrangedMasks, rearranged as rearranged
from sparsight.prune._schedule import Schedule as Schedule
from sparsight.prune._settings import (
    WINDOWS as WINDOWS,
    PruningSettings as PruningSettings,
    overridden as overridden,
)
from sparsight.prune._starting_state import starting_state as starting_state
from sparsight.prune._together import check_kernel as check_kernel, imp_together as imp_together
from sparsight.prune._windows import CompactWindows as CompactWindows
from sparsight.prune.criteria._registry import (
    CRITERIA as CRITERIA,
    NUM_SAMPLES as NUM_SAMPLES,
    Trained as Trained,
    criterion as criterion,
)
