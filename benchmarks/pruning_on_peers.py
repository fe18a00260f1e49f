"""Iterative magnitude pruning as a plain loop on another library's kept-weight layers.

The loop does what `sparsight.prune.imp` does with rewinding to the start. A level runs on the peer's layers
if they take a step faster than dense layers times masks. That is looked at before every level; the time that
looking takes is not counted, so the peer is never slower for the choice.

``python -m benchmarks.pruning_on_peers PEER THREADS STEPS SEED`` times a run of ours and one of the peer, and
prints a line of JSON.
"""

import copy
import json
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks import sparse_layers_of_peers as layers_of_peers, step
from benchmarks.sparse_peers import told_by_process
from sparsight.data import Task
from sparsight.network import linear_layers
from sparsight.train import Masks, TrainingSettings
from sparsight.train._evaluation import evaluate

_STEPS_TO_CHOOSE = 2
_TIMEOUT = 3600


@dataclass(frozen=True)
class PeerRun:
    """A whole run of ours and of a peer: seconds, mean accuracies, and levels on the peer's layers."""

    peer: str
    ours: float
    theirs: float
    our_accuracy: float
    their_accuracy: float
    levels_on_peer: int


def run_in_a_process(peer: str, threads: int, steps: int, seed: int = 0) -> PeerRun | str:
    """Time both whole runs in a process of their own; return why not if that fails."""
    found = told_by_process("benchmarks.pruning_on_peers", peer, threads, steps, seed, timeout=_TIMEOUT)
    return found if isinstance(found, str) else PeerRun(**found)


def measured(peer: str, steps: int, seed: int) -> PeerRun:
    """Time both whole runs in this process."""
    initial, task, settings = step.pruning_case(seed, steps)
    start = time.perf_counter()
    _, ours = step.prune_ours(initial, task, settings, seed)
    seconds = time.perf_counter() - start
    theirs, accuracies, on_peer = prune_on_peer(initial, task, settings, seed, peer)
    return PeerRun(
        peer=peer,
        ours=seconds,
        theirs=theirs,
        our_accuracy=sum(ours) / len(ours),
        their_accuracy=sum(accuracies) / len(accuracies),
        levels_on_peer=sum(on_peer),
    )


def prune_on_peer(
    initial: nn.Module, task: Task, settings: TrainingSettings, seed: int, peer: str
) -> tuple[float, list[float], list[bool]]:
    """Prune as `benchmarks.step.prune_with_torch` does, on a peer's layers where they are faster.

    Returns
    -------
    seconds : float
        Of the whole run, without the choice of layers.
    accuracies : list of float
        On the test split, by level.
    on_peer : list of bool
        Whether a level ran on the peer's layers.
    """
    layers = list(linear_layers(initial))[:-1]
    weights = {f"{name}.weight": initial.get_parameter(f"{name}.weight") for name in layers}
    masks: Masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    seconds, accuracies, on_peer = 0.0, [], []
    for level in range(step.NUM_ROUNDS + 1):
        chosen = bool(level) and _faster_on_peer(initial, task, settings, masks, peer)
        start = time.perf_counter()
        built = _built(initial, masks, peer if chosen else None)
        _train(built, task, settings, seed)
        accuracies.append(evaluate(built, task, settings.loss)[1])
        trained = {name: _matrix(built, name, mask) for name, mask in masks.items()}
        if level < step.NUM_ROUNDS:
            masks = _pruned(trained, masks)
        seconds += time.perf_counter() - start
        on_peer.append(chosen)
    return seconds, accuracies, on_peer


def _built(initial: nn.Module, masks: Masks, peer: str | None) -> nn.Module:
    built = copy.deepcopy(initial)
    if peer is not None:
        return layers_of_peers.replace_layers_(built, masks, peer)
    return step.with_masks_(built, masks)


def _train(built: nn.Module, task: Task, settings: TrainingSettings, seed: int) -> None:
    optimizer = torch.optim.SGD(built.parameters(), lr=settings.learning_rate, momentum=settings.momentum)
    built.train()
    for number in range(settings.num_steps(len(task.train_labels))):
        step.take_step(built, optimizer, task, seed, number)


def _faster_on_peer(
    initial: nn.Module, task: Task, settings: TrainingSettings, masks: Masks, peer: str
) -> bool:
    def seconds_of(built: nn.Module) -> float:
        optimizer = torch.optim.SGD(built.parameters(), lr=settings.learning_rate)

        def some_steps() -> None:
            for number in range(_STEPS_TO_CHOOSE):
                step.take_step(built, optimizer, task, 0, number)

        some_steps()
        return min(step.seconds(some_steps, time.perf_counter) for _ in range(2))

    return seconds_of(_built(initial, masks, peer)) < seconds_of(_built(initial, masks, None))


def _matrix(built: nn.Module, name: str, mask: Tensor) -> Tensor:
    layer = built.get_submodule(name.removesuffix(".weight"))
    if isinstance(layer, nn.Linear):
        return layer.weight.detach() * mask
    return layers_of_peers.as_matrix(layers_of_peers.kept_weights(layer), mask)


def _pruned(trained: dict[str, Tensor], masks: Masks) -> Masks:
    kept = torch.cat([trained[name][mask].abs() for name, mask in masks.items()])
    smallest = kept.kthvalue(max(1, round(step.RATE * len(kept)))).values
    return {name: mask & (trained[name].abs() > smallest) for name, mask in masks.items()}


def main(peer: str, threads: str, steps: str, seed: str) -> None:
    torch.set_num_threads(int(threads))
    print(json.dumps(vars(measured(peer, int(steps), int(seed)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
