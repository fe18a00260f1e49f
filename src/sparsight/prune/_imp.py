"""Iterative magnitude pruning and its relatives: the loop."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from sparsight.data import Task
from sparsight.prune._level import Acceleration, Checkpoint, Level, OnStep, Replicate, State
from sparsight.prune._mask_sources import MaskSource, as_source
from sparsight.prune._rounds import Rounds
from sparsight.prune._schedule import layer_of
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
    masks: MaskSource | Sequence[Mapping[str, Tensor]] | None = None,
    starting_state: State | None = None,
) -> Iterator[Level]:
    """Train, prune, rewind, train again: yield each level once it is trained and pruned.

    With `masks` nothing is chosen: each level trains with the masks given for it, as in controls that give
    found masks other weights, other places, or another seed.

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
    masks : sequence of dict of str to Tensor of bool, or MaskSource, optional
        The masks of levels 0, 1, … and the last, by parameter name: ``[level.masks for level in
        imp(…)]`` repeats another run. Those of level 0 need not be dense, but rewinding returns to weights
        trained under them. Criterion, schedule and the other fields of `pruning` that choose weights or their
        number have no effect. Default: the criterion chooses.
    starting_state : dict of str to Tensor, optional
        State dict that kept weights have at the start of level 1, 2, …, instead of the rewound one: see
        `sparsight.prune.starting_state`. Only with `masks`, and with ``rewind = "init"``.

    Raises
    ------
    InputError
        If settings, task and network do not fit together (see `check_settings`), or masks are not for these
        parameters, are not nested, or are missing although ``pruning.masks_from`` is set.
    DivergenceError
        If the loss becomes NaN or infinite.

    Notes
    -----
    Frankle & Carbin, arXiv 1803.03635 (``init``); Frankle et al., arXiv 1903.01611 (``step:K``).
    """
    replicate = Replicate(
        network=network,
        task=task,
        seed=seed,
        start=start,
        checkpoint=checkpoint,
        masks=None if masks is None else as_source(masks),
        starting_state=starting_state,
    )
    rounds = Rounds(replicate, training, pruning, layers)
    while not rounds.are_over:
        rounds.begin(training.effective_kernel, acceleration or Acceleration())
        if rounds.step_to_keep is not None:
            rounds.trainer.run(rounds.step_to_keep, rounds.reporter(on_step))
            rounds.keep_rewind()
        # The reporter is made again because the progress it reports includes the rewind state just kept.
        rounds.trainer.run(on_step=rounds.reporter(on_step))
        yield rounds.finish()


def train_masked(
    network: nn.Module,
    task: Task,
    training: TrainingSettings,
    masks: Mapping[str, Tensor],
    *,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Level:
    """Train a network once with given masks, from its present weights.

    Parameters
    ----------
    network : torch.nn.Module
        Left unchanged: a copy is trained, and its kept weights start from their present values.
    masks : mapping of str to Tensor of bool
        By parameter name (``linear_0.weight``), True = kept. Layers without a mask train dense.
    seed : int
        Seeds the batches: with the seed of a level of `imp`, its batches.
    on_step : callable, optional
        As for `imp`.

    Returns
    -------
    Level
        With index 0; nothing is pruned after it.

    Raises
    ------
    InputError
        If a mask is not for a weight or bias of a ``torch.nn.Linear`` of the network.
    DivergenceError
        If the loss becomes NaN or infinite.
    """
    layers = list(dict.fromkeys(layer_of(name) for name in masks))
    has_biases = any(name.endswith(".bias") for name in masks)
    pruning = PruningSettings(prune_biases=has_biases)
    return next(
        imp(network, task, training, pruning, seed=seed, layers=layers, masks=[masks], on_step=on_step)
    )
