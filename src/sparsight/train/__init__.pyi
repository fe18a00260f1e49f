from ._cuda_graph import check_device as check_device
from ._epinet import EpinetTraining as EpinetTraining, train_epinet_ as train_epinet_
from ._evaluation import Curve as Curve, batch_loss as batch_loss, evaluate as evaluate
from ._linear_path import (
    LinearPath as LinearPath,
    compute_batch_norm_again_ as compute_batch_norm_again_,
    connect as connect,
)
from ._settings import Loss as Loss, TrainingSettings as TrainingSettings
from ._together import train_together as train_together
from ._trainer import Masks as Masks, MaskUpdate as MaskUpdate, Trainer as Trainer
