"""Tickets of one condition as an ensemble, level by level of a stored run."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from sparsight.data import Task, task_digests
from sparsight.errors import InputError
from sparsight.measure import (
    NUM_DRAWS,
    disagreement,
    ensemble_log_probabilities,
    expected_calibration_error,
    joint_nll,
    marginal_nll,
    matching_temperature,
    student_interval,
    subset_pseudovalues,
    subset_size,
    subsets_of,
)
from sparsight.network import outputs_of
from sparsight.run._building import build_network
from sparsight.run._same_run import DATA, data_digest
from sparsight.store import Run, read_level

TICKETS, COPIES, MATCHED, DENSE_MATCHED = "tickets", "copies", "matched", "dense_matched"
"""Kinds of ensembles: see `ensembles`."""

_COLUMNS = [
    "condition", "level", "density", "ensemble", "size", "quantity",
    "mean", "low", "high", "num_replicates", "replicates", "by_replicate",
]  # fmt: skip

_QUANTITIES = ("accuracy", "marginal_nll", "joint_nll", "joint_gain", "ece", "disagreement")
_MOST_SUBSETS = 2000  # of a size that somebody chose

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Members:
    """Replicates of a condition that share their data, with test samples for all of them."""

    condition: str
    replicates: tuple[int, ...]
    num_levels: int  # that all of them have
    task: Task
    inputs: Tensor
    labels: np.ndarray


def ensembles(
    run: Run,
    conditions: Sequence[str] | None = None,
    *,
    size: int | None = None,
    num_samples: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Measure the networks of each condition and level as ensembles, whose members are replicates.

    Parameters
    ----------
    run : Run
        Its replicates share their data: those of a set that is no random draw, or ``data.seed`` is set.
    conditions : sequence of str, optional
        Default: all.
    size : int, optional
        Members of an ensemble, at least 2. Default: `sparsight.measure.subset_size` of the replicates.
    num_samples : int, optional
        Test samples. Default: ``measure.num_samples`` of each condition.
    seed : int
        Seeds the groups of samples of `sparsight.measure.joint_nll`, the same for all ensembles.

    Returns
    -------
    pandas.DataFrame
        A row for each condition, level, ``ensemble`` and ``quantity``. Ensembles: ``tickets``, `size`
        replicates of the level; ``copies``, as many copies of one of them; ``matched`` and
        ``dense_matched``, the same replicates at this level and at level 0, of which those with the smaller
        marginal negative log-likelihood got a temperature that raises it to that of the others
        (`sparsight.measure.matching_temperature`). ``mean`` is over all subsets of `size` replicates, ``low``
        and ``high`` are the jackknife's 95 % interval over replicates, ``by_replicate`` holds its
        pseudovalues for ``replicates`` (see `sparsight.measure.subset_pseudovalues`). They cover other
        initial weights and batches, and neither other data nor other test samples. Without an interval if all
        replicates are in every ensemble.

        ``accuracy`` and ``ece`` are those of the mean of the members' probabilities; ``marginal_nll``,
        ``joint_nll`` (κ = 2, τ = 10) and ``disagreement`` are those of `sparsight.measure`, in nats.
        ``joint_gain`` is τ · marginal_nll − joint_nll: 0 of a single network. ``temperature`` is that of
        ``matched`` or ``dense_matched``: NaN, like everything there, if none does it.
        ``joint_beyond_matched`` of ``tickets`` is the joint_nll of ``matched`` minus that of
        ``dense_matched``, subset by subset: what tickets lost (or, below 0, won) of their joint predictions,
        and not of their marginal ones.

    Raises
    ------
    InputError
        If no condition is named or one is unknown, its replicates have different data, fewer than two of them
        have a level, a number does not fit, or a level is damaged.
    """
    chosen = list(run.recipe.condition_names()) if conditions is None else list(conditions)
    if not chosen:
        raise InputError("conditions are empty; name at least one")
    if num_samples is not None and num_samples < 2:
        raise InputError(f"num_samples is {num_samples}; 2 or more are needed")
    rows = [row for name in chosen for row in _of_condition(run, name, size, num_samples, seed)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_condition(
    run: Run, condition: str, size: int | None, num_samples: int | None, seed: int
) -> Iterator[tuple[object, ...]]:
    members = _members(run, condition, num_samples)
    number = len(members.replicates)
    size = _checked_size(size, number, f"{run.path}: condition {condition!r}")
    dense = np.zeros(0)
    for level in range(members.num_levels):
        logits, density = _logits(run, members, level)
        dense = logits if level == 0 else dense
        key = (condition, level, density)
        for ensemble, found in _measured(logits, dense, members.labels, size, seed).items():
            num_apart = 1 if ensemble == COPIES else size
            for quantity, values in found.items():
                by_replicate = subset_pseudovalues(values, number, num_apart)
                interval = student_interval(by_replicate)
                yield (
                    *key, ensemble, size, quantity, float(values.mean()), interval.low, interval.high, number,
                    members.replicates, tuple(by_replicate.tolist()),
                )  # fmt: skip


def _measured(
    logits: np.ndarray, dense: np.ndarray, labels: np.ndarray, size: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Return every quantity of every kind of ensemble, over subsets of the members."""
    alone = [ensemble_quantities(each[None], labels, seed) for each in logits]
    rows: dict[str, list[dict[str, float]]] = {TICKETS: [], COPIES: alone, MATCHED: [], DENSE_MATCHED: []}
    for subset in map(list, subsets_of(len(logits), size)):
        own = ensemble_quantities(logits[subset], labels, seed)
        pair = _at_equal_marginals(logits[subset], dense[subset], labels, seed)
        beyond = pair[0]["joint_nll"] - pair[1]["joint_nll"]
        rows[TICKETS].append(own | {"joint_beyond_matched": beyond})
        for name, found in zip((MATCHED, DENSE_MATCHED), pair, strict=True):
            rows[name].append(found)
    return {
        name: {quantity: np.array([each[quantity] for each in found]) for quantity in found[0]}
        for name, found in rows.items()
    }


def _at_equal_marginals(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, seed: int
) -> list[dict[str, float]]:
    """Return the quantities of two ensembles, after a temperature made the better one as bad as the other.

    Worse predictions are within reach of everybody who is sometimes wrong; better ones need not be.
    """
    both = [first, second]
    nlls = [marginal_nll(each, labels) for each in both]
    goal = max(nlls)
    found = []
    for logits, nll in zip(both, nlls, strict=True):
        temperature = 1.0 if nll == goal else matching_temperature(logits, labels, goal)
        if math.isnan(temperature):
            found.append(dict.fromkeys(_QUANTITIES, math.nan) | {"temperature": math.nan})
        else:
            values = ensemble_quantities(logits / temperature, labels, seed)
            found.append(values | {"temperature": temperature})
    return found


def ensemble_quantities(logits: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Return the quantities of `ensembles` for logits (member, n, class), by name."""
    log_p = ensemble_log_probabilities(logits)
    is_right = log_p.argmax(axis=1) == labels
    confidences = np.exp(log_p.max(axis=1)).clip(max=1.0)
    marginal = float(-log_p[np.arange(len(labels)), labels].mean())
    joint = joint_nll(logits, labels, seed=seed)
    values = (
        float(is_right.mean()),
        marginal,
        joint,
        NUM_DRAWS * marginal - joint,
        expected_calibration_error(confidences, is_right),
        disagreement(logits),
    )
    return dict(zip(_QUANTITIES, values, strict=True))


def _logits(run: Run, members: _Members, level: int) -> tuple[np.ndarray, float]:
    """Return the logits of all members at a level, (member, n, class), and their mean density."""
    settings = run.recipe.condition(members.condition)
    # One network serves all: the state of a level holds everything that differs between replicates.
    network = build_network(settings, members.task, run.recipe.replicate_seed(members.replicates[0]))
    logits, densities = [], []
    for replicate in members.replicates:
        stored = read_level(run.directory.level(members.condition, replicate, level))
        network.load_state_dict(stored.final)
        logits.append(outputs_of(network, members.inputs))
        densities.append(stored.record.density)
    return np.stack(logits), float(np.mean(densities))


def _members(run: Run, condition: str, num_samples: int | None) -> _Members:
    settings, directory = run.recipe.condition(condition), run.directory
    numbers = {
        replicate: directory.num_levels(condition, replicate)
        for replicate in range(run.recipe.replicates)
        if directory.failure(condition, replicate) is None
    }
    replicates = tuple(replicate for replicate, number in numbers.items() if number)
    if len(replicates) < 2:
        raise InputError(
            f"{run.path}: {len(replicates)} replicates of condition {condition!r} hold a level; an ensemble "
            f"needs 2 or more (the recipe's replicates are {run.recipe.replicates})"
        )
    task = _shared_task(run, condition, replicates)
    inputs, labels = task.representative(
        "test", settings.measure.num_samples if num_samples is None else num_samples
    )
    return _Members(
        condition=condition,
        replicates=replicates,
        num_levels=min(numbers[each] for each in replicates),
        task=task,
        inputs=inputs,
        labels=labels.numpy(),
    )


def _shared_task(run: Run, condition: str, replicates: Sequence[int]) -> Task:
    """Return the data of the replicates; refuse data that differ between them."""
    task = run.task(condition, replicates[0])
    now, where = _digest(task), f"{run.path}: the data of condition {condition!r}"
    recorded = [data_digest(run.directory.task_facts(condition, each)) for each in replicates]
    for replicate, digest in zip(replicates, recorded, strict=True):
        # Version 0.1 recorded no digests.
        if (digest or _digest(run.task(condition, replicate))) != (recorded[0] or now):
            raise InputError(
                f"{where} depend on the replicate's seed (replicates {replicates[0]} and {replicate} differ "
                "in them), and an ensemble is trained on one data set. Set data.seed in the recipe, as in "
                "--set data.seed=0, and run it again"
            )
    if recorded[0] not in (None, now):
        _log.warning("%s are not bit for bit those of its training; it is measured on these", where)
    return task


def _digest(task: Task) -> str | None:
    return data_digest({DATA: task_digests(task)})


def _checked_size(size: int | None, num_replicates: int, where: str) -> int:
    if size is None:
        return subset_size(num_replicates)
    if not 2 <= size <= num_replicates:
        raise InputError(f"{where}: size is {size}; 2 to {num_replicates}, the replicates there, is allowed")
    number = math.comb(num_replicates, size)
    if number > _MOST_SUBSETS:
        raise InputError(
            f"{where}: {num_replicates} replicates have {number} subsets of {size}; choose a size with at "
            f"most {_MOST_SUBSETS}, such as {subset_size(num_replicates)}"
        )
    return size
