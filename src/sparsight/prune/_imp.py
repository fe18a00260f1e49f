"""Iterative magnitude pruning and its relatives: the loop."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.prune._level import Acceleration, Checkpoint, Level, OnStep, Replicate, State
from sparsight.prune._mask_sources import MaskSource, as_source
from sparsight.prune._network_checks import check_module, copied
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
    at_steps: Sequence[int] = (),
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
        Names of the layers to prune, of the classes ``torch.nn.Linear``, ``Conv1d`` and ``Conv2d``, or
        ``<attention>.in_proj`` for the projections of a ``torch.nn.MultiheadAttention``. Default: all
        ``torch.nn.Linear``, the last one only with ``pruning.prune_output``. The others are pruned only if
        they are named, and take the dense step.
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
    at_steps : sequence of int
        Numbers of steps, counted from the start of a level's training, after which the level keeps its state
        in `Level.snapshots`. 0 is the state before training.

    Raises
    ------
    InputError
        If settings, task and network do not fit together (see `check_settings`), or masks are not for these
        parameters, are not nested, or are missing although ``pruning.masks_from`` is set, or `at_steps` are
        beyond the longest level.
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
        at_steps=tuple(at_steps),
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
    state: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    first_step: int = 0,
    on_step: OnStep | None = None,
) -> Level:
    """Train a network once with given masks, from given weights.

    Parameters
    ----------
    network : torch.nn.Module
        Left unchanged: a copy is trained.
    masks : mapping of str to Tensor of bool
        By parameter name (``linear_0.weight``), True = kept. Layers without a mask train dense.
    state : mapping of str to Tensor, optional
        State dict that kept weights start from: the `rewind` of a level of `imp`, or what
        `sparsight.prune.starting_state` returns. Default: the network's present weights.
    seed : int
        Seeds the batches: with the seed of a level of `imp`, its batches.
    first_step : int
        The step of schedule and batches at which training starts, from 0 to the last. With the K of
        ``rewind = "step:K"`` and the state of that step, this repeats a level of `imp`.
    on_step : callable, optional
        As for `imp`.

    Returns
    -------
    Level
        With index 0; nothing is pruned after it.

    Raises
    ------
    InputError
        If a mask is not for a weight or bias of a linear layer or convolution of the network, `state` is not
        one of this network, or `first_step` is out of range.
    DivergenceError
        If the loss becomes NaN or infinite.

    Examples
    --------
    >>> import sparsight
    >>> recipe = sparsight.load_recipe("nlgp-1d", ["data.num_train=200", "data.num_test=100"])
    >>> task = recipe.condition("imp").data.build(seed=0)
    >>> network = sparsight.FullyConnected(128, 2, sparsight.NetworkSettings(widths=(8,)))
    >>> training = sparsight.TrainingSettings(steps=10, batch_size=20)
    >>> masks = {"linear_0.weight": network.linear_0.weight.detach() > 0}
    >>> copies = [sparsight.train_masked(network, task, training, masks, seed=seed) for seed in (1, 2)]
    >>> sparsight.connect(copies[0].network, copies[1].network, task).accuracy.shape
    (11,)
    """
    layers = list(dict.fromkeys(layer_of(name) for name in masks))
    has_biases = any(name.endswith("bias") for name in masks)
    if state is not None:
        network = _with_state(network, state)
    replicate = Replicate(network=network, task=task, seed=seed, masks=as_source([masks]))
    pruning = PruningSettings(prune_biases=has_biases)
    rounds = Rounds(replicate, training, pruning, layers, first_step=first_step)
    num_steps = training.num_steps(len(task.train_labels))
    if not 0 <= first_step < max(num_steps, 1):
        raise InputError(
            f"first_step is {first_step}, but training has {num_steps} steps; choose one from 0 to "
            f"{max(num_steps - 1, 0)}"
        )
    rounds.begin(training.effective_kernel, Acceleration())
    rounds.keep_rewind()
    rounds.trainer.run(on_step=rounds.reporter(on_step))
    return rounds.finish()


def _with_state(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    check_module(network)
    own = network.state_dict()
    for name in [*own, *(name for name in state if name not in own)]:
        shapes = [tuple(each[name].shape) if name in each else "missing" for each in (own, state)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"state is not one of this network: {name} is {shapes[1]} in state, {shapes[0]} in network"
            )
    with_state = copied(network)
    with_state.load_state_dict(dict(state))
    return with_state
