"""The training of one masked network, or of several in lockstep.

Start at `_trainer`: a `Trainer` takes the steps of one level of pruning.

_trainer      Trainer: learning rate, step, masked gradients, evaluations, state to save and restore.
_steps        Three ways to the outputs of a batch: dense, recorded as a CUDA graph, on kept weights only.
_together     Several trainers in lockstep, as one program on stacked weights.
_evaluation   Loss of a batch, loss and accuracy on the test split, and their curve along a training.
_linear_path  Loss and accuracy on the straight line between two trained networks.
_optimizer    The optimizer that the settings name.
_settings     The ``[training]`` table of a recipe, and the learning rate of every step.
_cuda_graph   Recording and replaying the pass of a small network on a GPU.
"""

from sparsight.train._cuda_graph import check_device as check_device
from sparsight.train._evaluation import Curve as Curve, batch_loss as batch_loss
from sparsight.train._linear_path import (
    LinearPath as LinearPath,
    compute_batch_norm_again_ as compute_batch_norm_again_,
    connect as connect,
)
from sparsight.train._settings import Loss as Loss, TrainingSettings as TrainingSettings
from sparsight.train._together import train_together as train_together
from sparsight.train._trainer import Masks as Masks, Trainer as Trainer
