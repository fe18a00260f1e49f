import itertools
import sys

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.measure import (
    CONSTANT_PENALTY,
    ComparisonClause,
    clauses_hold,
    comparison_clauses,
    example_penalty,
    learn_rule,
)


def cost(chosen, holds, labels, lengths, penalties):
    """What a rule costs, by the definition: clause by clause, example by example."""
    total = sum(int(lengths[clause]) for clause in chosen)
    for row, label, penalty in zip(holds, labels, penalties, strict=True):
        total += int(penalty) * (any(row[clause] for clause in chosen) != label)
    return total


def cheapest(holds, labels, lengths, penalties):
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(len(lengths)), number) for number in range(len(lengths) + 1)
    )
    return min(cost(subset, holds, labels, lengths, penalties) for subset in subsets)


@st.composite
def spaces(draw, most_clauses=7):
    num_examples, num_clauses = draw(st.integers(0, 9)), draw(st.integers(0, most_clauses))
    return (
        draw(arrays.arrays(bool, (num_examples, num_clauses))),
        draw(arrays.arrays(bool, num_examples)),
        draw(arrays.arrays(np.int64, num_clauses, elements=st.integers(1, 5))),
        draw(arrays.arrays(np.int64, num_examples, elements=st.integers(1, 101))),
    )


@settings(max_examples=80, deadline=None)
@given(spaces(), st.integers(0, 3))
def test_the_optimum_is_that_of_all_subsets(space, seed):
    found = learn_rule(*space, seed=seed)
    assert found.size + found.penalty == cheapest(*space)
    assert found.size + found.penalty == cost(found.clauses, *space)
    assert found.size == sum(space[2][list(found.clauses)])
    assert found.labels(space[0]).tolist() == [any(row[list(found.clauses)]) for row in space[0]]


@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_is_that_of_all_subsets_of_twelve_clauses(seed):
    stream = np.random.default_rng(seed)
    holds, labels = stream.random((25, 12)) < 0.3, stream.random(25) < 0.5
    space = (holds, labels, stream.integers(1, 6, 12), stream.integers(1, 40, 25))
    found = learn_rule(*space)
    assert found.size + found.penalty == cheapest(*space)


def test_penalties_are_those_of_the_formula():
    alone = example_penalty(np.array([[0.0], [0.999], [1.0], [0.5]]))
    assert alone.tolist() == [1, 100, 101, 51]
    assert example_penalty(np.array([[0.9, 0.25, 1.0]], dtype=np.float32)).tolist() == [26]


@settings(max_examples=60, deadline=None)
@given(spaces(most_clauses=4), st.floats(0.2, 1.0))
def test_confidences_that_say_nothing_give_the_rule_of_constant_penalties(space, confidence):
    # at most 4 clauses of length 1 or 2: shorter than any penalty, so errors count first, then size
    holds, labels, lengths, _ = space
    lengths = np.minimum(lengths, 2)
    same = example_penalty(np.full((len(labels), 3), confidence))
    constant = np.full(len(labels), CONSTANT_PENALTY)
    found = learn_rule(holds, labels, lengths, same)
    assert found.clauses == learn_rule(holds, labels, lengths, constant).clauses


@pytest.mark.parametrize("confidence", [0.1, 0.5, 1.0])
def test_equal_confidences_on_noisy_symbols_give_the_rule_of_constant_penalties(confidence):
    stream = np.random.default_rng(3)
    clauses, symbols = comparison_clauses(4), stream.integers(0, 10, (40, 4))
    labels = clauses_hold(clauses, symbols)[:, 0]
    noisy = np.where(stream.random(symbols.shape) < 0.1, stream.integers(0, 10, symbols.shape), symbols)
    lengths = np.array([clause.length for clause in clauses])
    holds = clauses_hold(clauses, noisy)
    same = example_penalty(np.full(noisy.shape, confidence))
    found = learn_rule(holds, labels, lengths, same)
    constant = learn_rule(holds, labels, lengths, np.full(40, CONSTANT_PENALTY))
    assert found.clauses == constant.clauses
    assert found.penalty > 0  # the noise matters


def test_doubted_examples_give_way():
    holds = np.array([[True, False], [True, False], [False, True], [False, True], [False, True]])
    labels = np.array([True, True, True, False, False])
    lengths = np.array([1, 1])
    assert learn_rule(holds, labels, lengths, np.array([9, 9, 9, 1, 1])).clauses == (0, 1)
    assert learn_rule(holds, labels, lengths, np.array([9, 9, 1, 9, 9])).clauses == (0,)


def test_of_rules_that_cost_the_same_the_seed_chooses_and_not_their_order():
    holds = np.array([[True, True], [False, False]])
    arguments = (holds, np.array([True, False]), np.array([2, 2]), np.array([10, 10]))
    found = [learn_rule(*arguments, seed=seed).clauses for seed in range(60)]
    assert set(found) == {(0,), (1,)}
    assert 15 < found.count((0,)) < 45
    assert found == [learn_rule(*arguments, seed=seed).clauses for seed in range(60)]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"lengths": np.array([0, 2])}, "lengths hold 0; whole numbers from 1"),
        ({"penalties": np.array([-1, 3])}, "penalties hold -1; whole numbers from 1"),
        ({"penalties": np.array([2**31, 1])}, "sum to 2147483653; at most 2147483647"),
    ],
)
def test_wrong_arguments_are_named(changes, match):
    arguments = {
        "holds": np.ones((2, 2), bool),
        "labels": np.array([True, False]),
        "lengths": np.array([2, 2]),
        "penalties": np.array([10, 10]),
    }
    with pytest.raises(InputError, match=match):
        learn_rule(**arguments | changes)


@pytest.mark.parametrize("values", [[[1.1]], [[-0.1]], [[np.nan]], [[]]])
def test_confidences_are_probabilities(values):
    with pytest.raises(InputError, match="confidences"):
        example_penalty(np.array(values, dtype=np.float64))


def test_without_clingo_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "clingo", None)
    nothing = np.zeros(0, np.int64)
    with pytest.raises(
        InputError, match=r'needs the package clingo; install it: pip install "sparsight\[rules\]"'
    ):
        learn_rule(np.zeros((0, 0), bool), nothing.astype(bool), nothing, nothing)


def test_clauses_of_a_space_are_listed_and_mean_what_they_say():
    clauses = comparison_clauses(3)
    assert [str(clause) for clause in clauses[:4]] == ["x1 = x2", "x1 ≠ x2", "x1 < x2", "x1 > x2"]
    assert str(clauses[-4]) == "some xᵢ = xⱼ, i < j"
    assert [len(comparison_clauses(size)) for size in (2, 3, 4)] == [4, 16, 28]
    assert (clauses[0].length, clauses[-1].length) == (2, 3)
    means = {
        "=": lambda a, b: a == b,
        "≠": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
    }
    symbols = np.array(list(itertools.product(range(3), repeat=3)))
    found = clauses_hold(clauses, symbols)
    for column, clause in zip(found.T, clauses, strict=True):
        pairs = [clause.positions] if clause.positions else list(itertools.combinations(range(3), 2))
        wanted = [any(means[clause.comparison](row[i], row[j]) for i, j in pairs) for row in symbols.tolist()]
        assert column.tolist() == wanted, clause
    assert len({tuple(column) for column in found.T}) == len(clauses)  # no two say the same


def test_positions_that_tuples_lack_are_refused():
    with pytest.raises(InputError, match="symbols have 2 positions; the clause x1 = x3 needs more"):
        clauses_hold([ComparisonClause("=", (0, 2))], np.zeros((1, 2), int))
    with pytest.raises(InputError, match="tuple_size is 1"):
        comparison_clauses(1)
    assert clauses_hold([], np.zeros((5, 2), int)).shape == (5, 0)
