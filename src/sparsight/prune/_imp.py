"""Iterative magnitude pruning and its relatives: the loop."""

from collections.abc import Iterator, Sequence

from torch import nn

from sparsight.data import Task
from sparsight.prune._level import (
    Checkpoint as Checkpoint,
    Level as Level,
    OnStep as OnStep,
    Progress as Progress,
    State as State,
    snapshot as snapshot,
)
from sparsight.prune._rounds import Rounds
from sparsight.prune._settings import (
    PruningSettings as PruningSettings,
    check_settings as check_settings,
    dense_masks as dense_masks,
)
from sparsight.sparse import Crossovers
from sparsight.train import TrainingSettings


def imp(
    network: nn.Module,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    start: Level | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep | None = None,
    crossovers: Crossovers | None = None,
    cuda_graph: bool = False,
) -> Iterator[Level]:
    """Train, prune, rewind, train again: yield every level once it is trained and pruned.

    Parameters
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation. It is left as it is: the loop works on a copy.
    task : Task
    training : TrainingSettings
    pruning : PruningSettings
    seed : int
        Of the batches and of criteria that draw.
    layers : sequence of str, optional
        Names of the ``torch.nn.Linear`` layers to prune. Default: all, the last one only with
        ``pruning.prune_output``.
    start : Level, optional
        Go on after this level (of the same network, task, settings and seed), as if the loop had never
        stopped.
    checkpoint : Checkpoint, optional
        Go on in the middle of the level after `start` (or of level 0). One of another level is ignored.
    on_step : callable, optional
        Called with a `Progress` after every training step.
    crossovers : mapping of str to float, optional
        Densities below which layers train on kept weights only, as ``sparse.crossover.measured_crossovers``
        returns them. Default: the same fixed density on every machine.
    cuda_graph : bool
        Whether levels whose layers are all dense train through a CUDA graph.

    Yields
    ------
    Level

    Raises
    ------
    InputError
        If settings, task and network do not fit together (see `check_settings`).
    DivergenceError
        If the loss becomes NaN or infinite.

    Notes
    -----
    Frankle & Carbin, arXiv 1803.03635 (``init``); Frankle et al., arXiv 1903.01611 (``step:K``).
    """
    rounds = Rounds(network, task, training, pruning, seed, layers, start, checkpoint)
    while not rounds.are_over:
        rounds.begin(training.effective_kernel, crossovers, cuda_graph=cuda_graph)
        if rounds.step_to_keep is not None:
            rounds.trainer.run(rounds.step_to_keep, rounds.reporter(on_step))
            rounds.keep_rewind()
        rounds.trainer.run(on_step=rounds.reporter(on_step))
        yield rounds.finish()
