"""The loop of iterative magnitude pruning for several networks at once, level by level."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.prune._level import Checkpoint, Level, Progress
from sparsight.prune._rounds import Rounds
from sparsight.prune._settings import PruningSettings
from sparsight.train import OnLockstep, TrainingSettings, train_together

OnSteps = Callable[[dict[int, Progress]], None]
"""Called after every step with the `Progress` of each replicate that took it, by position."""


@dataclass(frozen=True, eq=False)
class Replicate:
    """What distinguishes one network from the others that it is trained with.

    Attributes
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation; it is left as it is.
    task : Task
    seed : int
    start : Level or None
        Go on after this level.
    checkpoint : Checkpoint or None
        Go on in the middle of the level after `start`. One of a level that trained on kept weights is
        ignored.
    """

    network: nn.Module
    task: Task
    seed: int
    start: Level | None = None
    checkpoint: Checkpoint | None = None


def imp_together(
    replicates: Sequence[Replicate],
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    layers: Sequence[str] | None = None,
    on_step: OnSteps | None = None,
    cuda_graph: bool = False,
) -> Iterator[tuple[int, Level | DivergenceError]]:
    """Do for several networks what `imp` does for one, training them as one program on stacked weights.

    The mathematics of each is that of `imp`, its rounding is that of batched products. Those that are
    behind, after an interruption, are brought up first. All layers are trained dense.

    Parameters
    ----------
    replicates : sequence of Replicate
        Of networks with the same modules and shapes, on one device.
    training : TrainingSettings
    pruning : PruningSettings
    layers : sequence of str, optional
        As for `imp`.
    on_step : callable, optional
    cuda_graph : bool
        As for `imp`.

    Yields
    ------
    position : int
        In `replicates`.
    Level or DivergenceError
        A level that is trained and pruned, as `imp` yields it; or, once and last for this replicate, why
        its training cannot go on. The others do.

    Raises
    ------
    InputError
        If networks differ in more than their values, ``training.kernel`` is ``csr``, or settings, tasks and
        networks do not fit together (see `check_settings`).
    """
    check_kernel(training)
    _check_alike([replicate.network for replicate in replicates])
    members = dict(
        enumerate(
            Rounds(
                each.network,
                each.task,
                training,
                pruning,
                each.seed,
                layers,
                each.start,
                _dense(each.checkpoint),
            )
            for each in replicates
        )
    )
    while True:
        members = {position: rounds for position, rounds in members.items() if not rounds.are_over}
        if not members:
            return
        index = min(rounds.index for rounds in members.values())
        level = {position: rounds for position, rounds in members.items() if rounds.index == index}
        failed = _train(level, on_step, len(replicates), cuda_graph)
        for position, rounds in level.items():
            if position in failed:
                del members[position]
                yield position, failed[position]
            else:
                yield position, rounds.finish()


def check_kernel(training: TrainingSettings) -> None:
    """Refuse settings that ask for the sparse step.

    Raises
    ------
    InputError
    """
    if training.effective_kernel == "csr":
        raise InputError(
            "training.kernel is 'csr', but networks that are trained together take dense products only: "
            "choose 'auto' or 'dense', or train them one by one (without together)"
        )


def _train(
    level: dict[int, Rounds], on_step: OnSteps | None, num_slots: int, cuda_graph: bool
) -> dict[int, DivergenceError]:
    for rounds in level.values():
        rounds.begin("dense", cuda_graph=cuda_graph)
    steps_to_keep = {rounds.step_to_keep for rounds in level.values()} - {None}
    failed: dict[int, DivergenceError] = {}
    for step in steps_to_keep:  # one, or none
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
    return train_together(trainers, until, _reporter(members, on_step), num_slots=num_slots)


def _reporter(members: dict[int, Rounds], on_step: OnSteps | None) -> OnLockstep | None:
    if on_step is None:
        return None
    progress = {position: rounds.progress() for position, rounds in members.items()}
    return lambda positions: on_step({position: progress[position] for position in positions})


def _dense(checkpoint: Checkpoint | None) -> Checkpoint | None:
    return None if checkpoint is None or checkpoint.facts["layers_on_kept_weights"] else checkpoint


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
                f"{differing[0]}; only networks of one architecture are trained together"
            )
        if type(network) is not type(networks[0]):
            raise InputError(
                f"replicates: network {number} is a {type(network).__name__}, network 0 a "
                f"{type(networks[0]).__name__}; only networks of one architecture are trained together"
            )
