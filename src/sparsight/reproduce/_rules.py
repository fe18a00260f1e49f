"""Rules learned from the names that the networks of a study give to pictures, as quantities of the study."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.measure import CONSTANT_PENALTY, clauses_hold, example_penalty, learn_rule
from sparsight.network import FullyConnected, outputs_of
from sparsight.reproduce._rule_examples import (
    CLAUSES,
    PLANTED,
    Naming,
    confusion_rates,
    drawn_tuples,
    error_twin,
)
from sparsight.store import Run, read_sealed, write_sealed
from sparsight.streams import derived_seed, generator

LENGTHS = np.array([clause.length for clause in CLAUSES])


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """How rules are learned at each level.

    Attributes
    ----------
    num_draws : int
        Sets of examples for each planted rule.
    num_examples : int
        Examples in each set, half of them positive.
    num_tested : int
        Tuples of other pictures on which a learned rule is tested.
    rotated_share : float
        Share of the examples whose pictures are rotated by 90°, in the quantities that end in ``_rotated``.
    """

    num_draws: int = 20
    num_examples: int = 40
    num_tested: int = 400
    rotated_share: float = 0.25


RULE_SETTINGS = {"smoke": RuleSettings(num_draws=2), "laptop": RuleSettings(), "paper": RuleSettings()}


@dataclass(frozen=True, eq=False, kw_only=True)
class ExampleSet:
    """A set of examples of one planted rule, and the tuples that test what is learned; shared by all levels.

    Attributes
    ----------
    rule : str
        Name of the planted rule.
    seed : int
        Seeds ties, permutations and twins.
    pictures, tested : numpy.ndarray of int, (example, position)
        Numbers of held-out pictures; the two have no picture in common.
    labels, tested_labels, is_rotated : numpy.ndarray of bool, (example,)
    """

    rule: str
    seed: int
    pictures: np.ndarray
    labels: np.ndarray
    is_rotated: np.ndarray
    tested: np.ndarray
    tested_labels: np.ndarray


def example_sets(classes: np.ndarray, settings: RuleSettings, seed: int) -> list[ExampleSet]:
    """Return sets of examples of every planted rule.

    Examples are of the first half of the pictures, whose classes are given; the second half tests.
    """
    half = len(classes) // 2
    found = []
    for rule, clause in PLANTED.items():
        for draw in range(settings.num_draws):
            stream = generator(seed, "rule examples", rule, draw)
            pictures, labels = drawn_tuples(clause, classes[:half], settings.num_examples, stream)
            num_rotated = round(settings.rotated_share * settings.num_examples)
            is_rotated = stream.permutation(settings.num_examples) < num_rotated
            tested, tested_labels = drawn_tuples(clause, classes[half:], settings.num_tested, stream)
            found.append(
                ExampleSet(
                    rule=rule,
                    seed=derived_seed(seed, "rules", rule, draw),
                    pictures=pictures,
                    labels=labels,
                    is_rotated=is_rotated,
                    tested=half + tested,
                    tested_labels=tested_labels,
                )
            )
    return found


def rule_numbers(
    sets: list[ExampleSet], classes: np.ndarray, upright: Naming, rotated: Naming
) -> dict[str, float]:
    """Return what is learned from the names that one network gives to pictures; means over all sets.

    `upright` and `rotated` name the same pictures, all those that are held out, of the given classes.

    ``p_true``
        Share of the sets from which exactly the planted rule is learned.
    ``accuracy``
        Share of the tested tuples, named by the network, whose label the learned rule gives.
    ``size``
        Sum of the lengths of its clauses.
    ``tuples_right``
        Share of the examples whose four pictures all have the right name.
    ``p_true_same``, ``p_true_order``, ``p_true_row``
        ``p_true`` of one planted rule.

    The first three have controls: ``…_constant`` (every penalty 10), ``…_permuted`` (penalties permuted
    among the examples) and ``…_twin`` (names drawn from the true classes, independently, at the network's
    own confusion rates; every penalty 10). All are repeated with ``…_rotated``: some examples are rotated,
    what is tested is not.
    """
    rows: dict[str, list[float]] = {}
    rates_of = _confusion_rates_of_examples(classes, upright, rotated)
    for each in sets:
        tested = clauses_hold(CLAUSES, upright.names[each.tested])
        for ending, is_rotated in (("", np.zeros_like(each.is_rotated)), ("_rotated", each.is_rotated)):
            named = upright.of_tuples(each.pictures).where(rotated.of_tuples(each.pictures), is_rotated)
            right = (named.names == classes[each.pictures]).all(axis=1)
            rows.setdefault(f"tuples_right{ending}", []).append(float(right.mean()))
            twin = error_twin(
                classes[each.pictures], rates_of(is_rotated.mean()), generator(each.seed, "error twin")
            )
            for control, (names, penalties) in _controls(each, named, twin).items():
                learned = learn_rule(
                    clauses_hold(CLAUSES, names), each.labels, LENGTHS, penalties, seed=each.seed
                )
                is_true = [CLAUSES[clause] for clause in learned.clauses] == [PLANTED[each.rule]]
                accuracy = float((learned.labels(tested) == each.tested_labels).mean())
                rows.setdefault(f"p_true{control}{ending}", []).append(float(is_true))
                rows.setdefault(f"accuracy{control}{ending}", []).append(accuracy)
                rows.setdefault(f"size{control}{ending}", []).append(float(learned.size))
                if not control:
                    rows.setdefault(f"p_true_{each.rule}{ending}", []).append(float(is_true))
    return {name: float(np.mean(values)) for name, values in rows.items()}


def with_rules(results: xr.Dataset, run: Run, settings: RuleSettings) -> xr.Dataset:
    """Return the results of a study with what is learned from its networks: `rule_numbers`, as ``rules.…``.

    All levels and conditions of a replicate see the same examples. What is learned is kept in a file
    beside the run, which grows with every replicate.
    """
    path = _file_of(run, settings)
    known: dict[str, list[dict[str, float]]] = {}
    with suppress(InputError):  # missing, or damaged: learned again
        known = read_sealed(path)["learned"]
    shape = tuple(results.sizes[dim] for dim in ("condition", "replicate", "level"))
    columns: dict[str, np.ndarray] = {}
    for place, condition in enumerate(map(str, results.condition.values)):
        for replicate in range(shape[1]):
            key = f"{condition}/{replicate}"
            if len(known.setdefault(key, [])) != run.directory.num_levels(condition, replicate):
                known[key] = list(_numbers_by_level(run, condition, replicate, settings))
                write_sealed(path, {"settings": asdict(settings), "learned": known})
            for level, numbers in enumerate(known[key]):
                for name, value in numbers.items():
                    columns.setdefault(name, np.full(shape, np.nan))[place, replicate, level] = value
    dims = ("condition", "replicate", "level")
    return results.assign({f"rules.{name}": (dims, values) for name, values in columns.items()})


def _numbers_by_level(
    run: Run, condition: str, replicate: int, settings: RuleSettings
) -> Iterator[dict[str, float]]:
    task = run.task(condition, replicate)
    sets = example_sets(task.test_labels, settings, run.recipe.replicate_seed(replicate))
    upright, rotated = (torch.from_numpy(task.flat(each)) for each in (task.test_inputs, _rotated(task)))
    network = FullyConnected(
        task.geometry.num_inputs, task.num_classes, run.recipe.condition(condition).network
    )
    for level in range(run.directory.num_levels(condition, replicate)):
        network.load_state_dict(run.level(condition, replicate, level).final)
        namings = (Naming.of_logits(outputs_of(network, inputs)) for inputs in (upright, rotated))
        yield rule_numbers(sets, task.test_labels, *namings)


def _rotated(task: Task) -> np.ndarray:
    if len(set(task.geometry.size)) != 1 or len(task.geometry.size) != 2:
        raise InputError(
            f"task {task.name!r} has inputs of size {task.geometry.size}; square pictures are needed, which "
            "can be rotated"
        )
    return np.rot90(task.test_inputs, axes=(-2, -1))


def _confusion_rates_of_examples(
    classes: np.ndarray, upright: Naming, rotated: Naming
) -> Callable[[float], np.ndarray]:
    """Return a function from the share of rotated examples to the rates on the pictures of examples."""
    half = len(classes) // 2
    num_classes = 1 + max(int(each.max()) for each in (classes, upright.names, rotated.names))
    of_upright, of_rotated = (
        confusion_rates(naming.names[:half], classes[:half], num_classes) for naming in (upright, rotated)
    )
    return lambda share: (1 - share) * of_upright + share * of_rotated


def _controls(each: ExampleSet, named: Naming, twin: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return names and penalties by control; the ticket's own under an empty name."""
    penalties = example_penalty(named.confidences)
    constant = np.full_like(penalties, CONSTANT_PENALTY)
    return {
        "": (named.names, penalties),
        "_constant": (named.names, constant),
        "_permuted": (named.names, generator(each.seed, "permuted").permutation(penalties)),
        "_twin": (twin, constant),
    }


def _file_of(run: Run, settings: RuleSettings) -> Path:
    text = json.dumps([run.recipe.digest(), asdict(settings)], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return run.path.parent / f"rules-{run.recipe.name}-{digest[:8]}.json"
