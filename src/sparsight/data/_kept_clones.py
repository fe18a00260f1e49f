"""Large clones in the cache: made once, memory-mapped, and shared by all processes of a machine."""

import hashlib
import json
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sparsight.data._clone_storage import is_compact
from sparsight.data._task import Task
from sparsight.data._task_digests import task_digests

_PACKAGES = ("numpy", "scipy", "torch")  # their draws and their rounding are in the values


def is_kept(task: Task) -> bool:
    """Return whether clones of a task are kept in the cache, and memory-mapped from there."""
    return is_compact(task) and task.draw is None


def kept_clone(task: Task, kind: str, seed: int, make: Callable[[], Task]) -> Task:
    """Return a clone of a task, from the cache if it is one of those that take gigabytes.

    These are clones that `CloneStorage` keeps as bytes. The key is a digest of the data, the kind, the seed,
    the versions of what computes them and the source of this package, so nothing in the cache is ever stale.
    A second process that asks for the same clone waits until the first has made it.

    Parameters
    ----------
    make : callable
        Makes the clone.
    """
    if not is_kept(task):
        return make()
    from sparsight.data.images._cache import kept_array  # here: the package registers every source of images

    made = cache(make)  # at most once, for all arrays that are missing
    key = _key(task, kind, seed)
    facts = json.loads(kept_array(f"{key}-facts", lambda: _as_bytes(_facts_of(made()))).tobytes())
    train_inputs, test_inputs, train_labels, test_labels = (
        kept_array(f"{key}-{name}", partial(_part, made, name))
        for name in ("train_inputs", "test_inputs", "train_labels", "test_labels")
    )
    return Task(
        name=facts["name"],
        geometry=task.geometry,
        num_classes=task.num_classes,
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        channel_mean=np.array(facts["channel_mean"], np.float32),
        channel_sd=np.array(facts["channel_sd"], np.float32),
        card=facts["card"],
    )


def _part(made: Callable[[], Task], name: str) -> np.ndarray:
    array: np.ndarray = getattr(made(), name)
    return array


def _key(task: Task, kind: str, seed: int) -> str:
    parts = [kind, seed, {name: version(name) for name in _PACKAGES}, _source_digest(), task_digests(task)]
    # The card of the clone begins with that of the original, and its name with that name.
    parts += [task.name, dict(task.card)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _source_digest() -> str:
    """Return a digest of the source of this package, which changes between two releases as well."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _facts_of(clone: Task) -> dict[str, Any]:
    assert clone.channel_mean is not None
    assert clone.channel_sd is not None
    return {
        "name": clone.name,
        "channel_mean": clone.channel_mean.tolist(),
        "channel_sd": clone.channel_sd.tolist(),
        "card": dict(clone.card),
    }


def _as_bytes(facts: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)
