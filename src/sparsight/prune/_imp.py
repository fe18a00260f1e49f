"""Iterative magnitude pruning and its relatives: the loop."""

from collections.abc import Iterator, Sequence

from torch import nn

from sparsight.data import Task
from sparsight.prune._level import Acceleration, Checkpoint, Level, OnStep, Replicate
from sparsight.prune._rounds import Rounds
from sparsight.prune._settings import PruningSettings
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
    acceleration: Acceleration | None = None,
) -> Iterator[Level]:
    """Train, prune, rewind, train again: yield each level once it is trained and pruned.

    Parameters
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation. It is left unchanged: the loop works on a copy.
    pruning : PruningSettings
        What is pruned, by which criterion, and when the loop ends.
    seed : int
        Seeds the batches and any criterion that samples.
    layers : sequence of str, optional
        Names of the ``torch.nn.Linear`` layers to prune. Default: all of them, the last one only with
        ``pruning.prune_output``.
    start : Level, optional
        Resume after this level, as if the loop had never stopped. It must come from the same network, task,
        settings and seed.
    checkpoint : Checkpoint, optional
        Resume part-way through the level after `start` (or through level 0). A checkpoint of another level
        is ignored.
    on_step : callable, optional
        Called with a `Progress` after every training step.
    acceleration : Acceleration, optional
        Faster ways to compute the levels: sparse layers below given densities, a CUDA graph.

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
    replicate = Replicate(network=network, task=task, seed=seed, start=start, checkpoint=checkpoint)
    rounds = Rounds(replicate, training, pruning, layers)
    while not rounds.are_over:
        rounds.begin(training.effective_kernel, acceleration or Acceleration())
        if rounds.step_to_keep is not None:
            rounds.trainer.run(rounds.step_to_keep, rounds.reporter(on_step))
            rounds.keep_rewind()
        # The reporter is made again because the progress it reports includes the rewind state just kept.
        rounds.trainer.run(on_step=rounds.reporter(on_step))
        yield rounds.finish()
