"""The instrument ``stability``: linear mode connectivity of two copies with other batches."""

import logging
from collections.abc import Mapping

import numpy as np

from sparsight.errors import DivergenceError, InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.prune import Level, trained_again
from sparsight.streams import derived_seed
from sparsight.train import connect

_log = logging.getLogger(__name__)

_POINTS = 11
_COPIES = (
    "two copies of the level, trained from the rewound weights (level 0: the same weights, dense) with the "
    "masks of the level (after regrowth: those at its start, changed by each copy) and different batches"
)
_LINE = (
    f"at {_POINTS} evenly spaced points of the line between the weights of {_COPIES}; the statistics of "
    "BatchNorm, if any, computed again at every point from training samples"
)
_DEFINITIONS = {
    "loss": f"test loss {_LINE}",
    "accuracy": f"test accuracy {_LINE}",
    "loss_barrier": "largest loss on that line minus the mean of its two ends (equal copies: 0)",
    "error_barrier": "largest test error, 1 − accuracy, on that line minus the mean of its two ends (equal "
    "copies: 0)",
}


@network_instrument("stability", of_training=True)
def measure_stability(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Train two copies of a level from the rewound weights, and return what is on the line between them.

    The copies differ in the order of their batches (with fresh samples at every step: in the samples). Their
    seeds follow from that of the replicate, and are the same at all levels and in all conditions. It costs
    two trainings a level. Where a copy diverges, every quantity is NaN.

    Source: Frankle, Dziugaite, Roy & Carbin, arXiv 1912.05671. See `sparsight.connect`.

    Raises
    ------
    InputError
        If nobody knows how the network was trained, as in `measure_network`.
    """
    level, task = observation.level, observation.task
    training, pruning = observation.training, observation.pruning
    if not isinstance(level, Level) or training is None or pruning is None:
        raise InputError(
            "instruments: 'stability' trains copies of a level with the settings of its run, which are not "
            "known here; name it in measure.instruments of a recipe, or train two copies yourself and give "
            "them to sparsight.connect"
        )
    try:
        first, second = (
            trained_again(level, task, training, pruning, seed=derived_seed(level.seed, "stability", number))
            for number in range(2)
        )
    except DivergenceError as error:
        _log.warning("stability of level %d is undefined: a copy diverged (%s)", level.index, error)
        nowhere = np.full(_POINTS, np.nan)
        return _quantities(nowhere, nowhere, (np.nan, np.nan))
    path = connect(first, second, task, loss=training.loss, num_points=_POINTS)
    return _quantities(path.loss, path.accuracy, (path.loss_barrier, path.error_barrier))


def _quantities(loss: np.ndarray, accuracy: np.ndarray, barriers: tuple[float, float]) -> dict[str, Quantity]:
    on_line = {"loss": loss, "accuracy": accuracy}
    numbers = dict(zip(("loss_barrier", "error_barrier"), barriers, strict=True))
    return {name: Quantity(value, ("point",), _DEFINITIONS[name]) for name, value in on_line.items()} | {
        name: Quantity(value, (), _DEFINITIONS[name]) for name, value in numbers.items()
    }
