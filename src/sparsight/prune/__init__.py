"""Pruning: criteria give scores, masks say what stays, imp says when.

_connectivity: Which units a mask still connects, and whether the network has any path left.
_imp: Iterative magnitude pruning and its relatives: the loop.
_level: What the rounds of pruning yield, and what is needed to go on in the middle of one.
_masks: From scores and counts to masks: exactly as many weights go as were asked for.
_rounds: One network on its way through the rounds of pruning: how each begins and ends.
_settings: What a recipe says about pruning, and whether network and training can follow it.
_together: The loop of iterative magnitude pruning for several networks at once, level by level.
criteria._cavity: Pruning by cavity score: the causal test of whether non-Gaussianity is what makes weights
criteria._gradients: The loss of a level as a function of its weights before training, for criteria that nee
criteria._grasp: GraSP: weights whose removal costs the gradient least of its norm go first.
criteria._magnitude: Magnitude pruning: small weights go first.
criteria._movement: Movement pruning: weights that training pulled towards 0 go first.
criteria._random: Random pruning, the control.
criteria._registry: What a criterion is: a function from a trained level to a score for every weight.
criteria._snip: SNIP: weights whose removal changes the loss least go first.
criteria._synflow: SynFlow: weights that carry the least synaptic flow go first. No data are looked at.
"""

from sparsight.prune._connectivity import connectivity as connectivity, paths as paths
from sparsight.prune._imp import imp as imp
from sparsight.prune._level import (
    Checkpoint as Checkpoint,
    Level as Level,
    Progress as Progress,
    State as State,
)
from sparsight.prune._masks import (
    check_mask as check_mask,
    num_kept_by_level as num_kept_by_level,
    num_kept_of as num_kept_of,
)
from sparsight.prune._settings import (
    PruningSettings as PruningSettings,
    check_settings as check_settings,
    dense_masks as dense_masks,
)
from sparsight.prune._together import (
    Replicate as Replicate,
    check_kernel as check_kernel,
    imp_together as imp_together,
)
from sparsight.prune.criteria._registry import Trained as Trained, criterion as criterion
