"""The pruning loop for several networks at once, level by level."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torch import nn

from sparsight.errors import DivergenceError, InputError
from sparsight.network import may_draw
from sparsight.prune._level import Acceleration, Level, Progress, Replicate
from sparsight.prune._network_checks import copied, draws_in_training, fit_inputs_
from sparsight.prune._rounds import Rounds
from sparsight.prune._settings import PruningSettings
from sparsight.train import TrainingSettings, train_together

OnSteps = Callable[[dict[int, Progress]], None]
"""Called after every step with the `Progress` of each replicate that took it, by position."""


def imp_together(
    replicates: Sequence[Replicate],
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    layers: Sequence[str] | None = None,
    on_step: OnSteps | None = None,
    cuda_graph: bool = False,
) -> Iterator[tuple[int, Level | DivergenceError]]:
    """Prune several networks as `imp` does one, training them as one program on stacked weights.

    Each network follows the mathematics of `imp`; its rounding is that of batched products. After an
    interruption, replicates that are behind are brought to the level of the others first. All layers train
    dense, because masks differ between networks.

    Parameters
    ----------
    replicates : sequence of Replicate
        Their networks must have the same modules and shapes and be on one device.
    training, pruning, layers
        As for `imp`; the same for all replicates.
    on_step : callable, optional
        Called after every step with the `Progress` of each replicate that took it, by position.

    Yields
    ------
    position : int
        Position in `replicates`.
    Level or DivergenceError
        A trained and pruned level, as `imp` yields it; or, as the last item of this replicate, the reason
        why its training cannot continue. The other replicates continue.

    Raises
    ------
    InputError
        If networks differ in more than their values, ``training.kernel`` is ``csr``, ``pruning.regrowth`` is
        set, or settings, tasks and networks do not fit together (see `check_settings`).
    """
    check_together(training, pruning)
    _check_alike([replicate.network for replicate in replicates])
    members = {
        position: Rounds(_without_sparse_checkpoint(replicate), training, pruning, layers)
        for position, replicate in enumerate(replicates)
    }
    _check_draws_nothing(replicates[0])
    while True:
        members = {position: rounds for position, rounds in members.items() if not rounds.are_over}
        if not members:
            return
        # Only replicates at one level can share a program; after an interruption some may be ahead.
        index = min(rounds.index for rounds in members.values())
        level = {position: rounds for position, rounds in members.items() if rounds.index == index}
        # Always as many slots as there are replicates: batched products round by the number of matrices, and
        # one that diverges or ends must not change the others. docs/decisions.md has the measurement:
        # "Replicates of one condition are trained as one program on stacked weights".
        failed = _train(level, on_step, len(replicates), cuda_graph)
        for position, rounds in level.items():
            if position in failed:
                del members[position]
                yield position, failed[position]
            else:
                yield position, rounds.finish()


def check_together(training: TrainingSettings, pruning: PruningSettings) -> None:
    """Raise `InputError` if networks cannot be trained together with these settings."""
    if pruning.regrowth != "none":
        raise InputError(
            f"pruning.regrowth is {pruning.regrowth!r}, but networks trained together keep their masks "
            "within a level: train them one by one (without together)"
        )
    if training.effective_kernel == "csr":
        raise InputError(
            "training.kernel is 'csr', but networks trained together use dense products only: "
            "choose 'auto' or 'dense', or train them one by one (without together)"
        )


def _check_draws_nothing(replicate: Replicate) -> None:
    if not may_draw(replicate.network):
        return
    network = copied(replicate.network)
    fit_inputs_(network, replicate.task)
    if draws_in_training(network, replicate.task):
        raise InputError(
            "the network draws random numbers in training (dropout), which networks trained together cannot "
            "do each on its own: train them one by one, with imp"
        )


def _train(
    level: dict[int, Rounds], on_step: OnSteps | None, num_slots: int, cuda_graph: bool
) -> dict[int, DivergenceError]:
    for rounds in level.values():
        rounds.begin("dense", Acceleration(cuda_graph=cuda_graph))
    steps_to_keep = {rounds.step_to_keep for rounds in level.values()} - {None}
    failed: dict[int, DivergenceError] = {}
    # At most one step, K of level 0: all replicates share the settings, and those past it are left out.
    for step in steps_to_keep:
        early = {position: rounds for position, rounds in level.items() if rounds.step_to_keep == step}
        failed |= _run(early, step, on_step, num_slots)
        for position in early.keys() - failed.keys():
            level[position].keep_rewind()
    rest = {position: rounds for position, rounds in level.items() if position not in failed}
    return failed | _run(rest, None, on_step, num_slots)


def _run(
    members: dict[int, Rounds], until: int | None, on_step: OnSteps | None, num_slots: int
) -> dict[int, DivergenceError]:
    trainers = {position: rounds.trainer for position, rounds in members.items()}
    progress = {position: rounds.progress() for position, rounds in members.items()}

    def report(positions: list[int]) -> None:
        for position in positions:
            members[position].keep_snapshot()
        if on_step is not None:
            on_step({position: progress[position] for position in positions})

    return train_together(trainers, until, report, num_slots=num_slots)


def _without_sparse_checkpoint(replicate: Replicate) -> Replicate:
    """Return the replicate without a checkpoint from a level that trained on kept weights only.

    Its optimizer state covers kept weights alone and its rounding is that of the sparse kernels, so a dense
    step cannot continue it: the level starts again.
    """
    checkpoint = replicate.checkpoint
    if checkpoint is None or not checkpoint.facts["layers_on_kept_weights"]:
        return replicate
    return replace(replicate, checkpoint=None)


def _check_alike(networks: Sequence[nn.Module]) -> None:
    if not networks:
        raise InputError("replicates are empty; give at least one")
    described = [
        {
            name: (tuple(value.shape), value.dtype, str(value.device))
            for name, value in each.state_dict().items()
        }
        for each in networks
    ]
    for number, (network, shapes) in enumerate(zip(networks, described, strict=True)):
        differing = sorted(
            name for name in shapes | described[0] if shapes.get(name) != described[0].get(name)
        )
        if differing:
            raise InputError(
                f"replicates: network {number} differs from network 0 in the shape, dtype or device of "
                f"{differing[0]}; only networks of one architecture can be trained together"
            )
        if type(network) is not type(networks[0]):
            raise InputError(
                f"replicates: network {number} is a {type(network).__name__}, network 0 a "
                f"{type(networks[0]).__name__}; only networks of one architecture can be trained together"
            )
