"""A training step on the kept-weight layers of other libraries beside ours.

Every peer is timed in a process of its own, as a peer may be absent, crash or bring its own threads:
``python -m benchmarks.sparse_peers PEER THREADS REPEATS DENSITY …`` checks the peer's outputs and gradients
against the dense layer, then times steps of ours and of the peer in alternation, and prints one line of JSON.
The network, its masks, batches and optimizer are those of `benchmarks.step`.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import sparse_layers_of_peers as layers_of_peers, step
from sparsight.data import Task
from sparsight.train import Masks

DENSITIES = (0.3, 0.1, 0.03, 0.01, 0.003)
LARGEST_ERROR = 1e-4
"""Largest allowed difference from the dense layer, relative to the largest entry (float32 sums)."""
_TIMEOUT = 900


@dataclass(frozen=True)
class PeerRow:
    """Steps of ours and of a peer at one density: milliseconds (median, minimum, maximum), and the ratio."""

    peer: str
    density: float
    error: float
    ours: tuple[float, float, float]
    theirs: tuple[float, float, float]
    ratio: float


def peer_rows(peer: str, threads: int, repeats: int, densities: Sequence[float]) -> list[PeerRow] | str:
    """Time a peer in a process of its own; return its rows, or why there are none."""
    lacking = layers_of_peers.missing(peer)
    if lacking:
        return lacking
    found = told_by_process("benchmarks.sparse_peers", peer, threads, repeats, *densities)
    return found if isinstance(found, str) else [PeerRow(**row) for row in found]


def told_by_process(module: str, peer: str, threads: int, *arguments: object, timeout: int = _TIMEOUT) -> Any:
    """Return the last line, as JSON, that a module prints in a process of its own; or why there is none."""
    done = subprocess.run(
        [sys.executable, "-m", module, peer, str(threads), *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return f"{layers_of_peers.named(peer)} failed: {last}"
    return json.loads(done.stdout.splitlines()[-1])


def measured_rows(
    peer: str, repeats: int, densities: Sequence[float], clock: Callable[[], float] = time.process_time
) -> list[PeerRow]:
    """Check and time a peer in this process."""
    task, crossovers = step.white_task(), step.crossovers(step.network())
    rows = []
    for density in densities:
        masks = step.random_masks(density)
        error = largest_error(peer, masks)
        if not error < LARGEST_ERROR:
            raise SystemExit(
                f"outputs or gradients differ from the dense ones by {error:.1e} at density {density:g}"
            )
        ours, _ = step.our_step(task, masks, crossovers)
        theirs = peer_step(peer, task, masks)
        pairs = [(step.seconds(ours, clock), step.seconds(theirs, clock)) for _ in range(repeats + 1)][1:]
        mine, others = (
            step.spread([1e3 * time / step.STEPS_AT_A_TIME for time in side])
            for side in zip(*pairs, strict=True)
        )
        ratio = statistics.median(b / a for a, b in pairs)
        rows.append(PeerRow(peer, density, error, mine, others, ratio))
    return rows


def peer_step(peer: str, task: Task, masks: Masks) -> Callable[[], None]:
    """Return a function that takes some training steps of the network on the peer's layers."""
    built = layers_of_peers.replace_layers_(step.network(), masks, peer)
    return step.plain_steps(built, task)


def largest_error(peer: str, masks: Masks) -> float:
    """Return the largest difference of a layer's outputs and gradients from those of the dense layer.

    Every layer gets the same random inputs and the same random gradient of its outputs on both sides: behind
    a ReLU, rounding alone could switch a unit. Differences are relative to the largest entry.
    """
    dense, errors = step.network(), []
    sparse = layers_of_peers.replace_layers_(step.network(), masks, peer)
    stream = torch.Generator().manual_seed(1)
    for name, mask in masks.items():
        path = name.removesuffix(".weight")
        linear, layer = dense.get_submodule(path), sparse.get_submodule(path)
        with torch.no_grad():
            linear.get_parameter("weight").mul_(mask)
        inputs = torch.randn(step.BATCH_SIZE, mask.shape[1], generator=stream)
        upstream = torch.randn(step.BATCH_SIZE, mask.shape[0], generator=stream)
        found = []
        for each in (linear, layer):
            leaf = inputs.clone().requires_grad_()
            outputs = each(leaf)
            outputs.backward(upstream)
            found.append([outputs.detach(), leaf.grad, each.get_parameter("bias").grad])
        found[0].append(linear.get_parameter("weight").grad * mask)
        found[1].append(layers_of_peers.as_matrix(layers_of_peers.kept_weights(layer).grad, mask))
        errors += [
            float((theirs - true).abs().max() / true.abs().max()) for true, theirs in zip(*found, strict=True)
        ]
    return max(errors)


def main(peer: str, threads: str, repeats: str, *densities: str) -> None:
    torch.set_num_threads(int(threads))
    rows = measured_rows(peer, int(repeats), [float(density) for density in densities], time.perf_counter)
    print(json.dumps([vars(row) for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
