"""One training of one masked network.

_cuda_graph: Forward and backward pass of a network as a CUDA graph: recorded once, then replayed at one cal
_settings: What a recipe says about training, and the learning rate that follows from it.
_together: Several networks of one architecture trained in lockstep, as one program on stacked weights.
_trainer: One training of one masked network.
"""

from sparsight.train._cuda_graph import check_device as check_device
from sparsight.train._settings import Loss as Loss, TrainingSettings as TrainingSettings
from sparsight.train._together import OnLockstep as OnLockstep, train_together as train_together
from sparsight.train._trainer import (
    Curve as Curve,
    Masks as Masks,
    Trainer as Trainer,
    batch_loss as batch_loss,
)
