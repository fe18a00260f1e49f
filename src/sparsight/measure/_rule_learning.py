"""Rules learned from noisy examples: short sets of clauses that miss few examples."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.streams import generator

CONSTANT_PENALTY = 10
"""Penalty of every example where no confidence is used."""

_LARGEST_COST = 2**31 - 1  # of a program in clingo
_MOST_DIFFERENT_TIES = 2**20
_PATIENCE = 0.2  # seconds between looks at whether somebody interrupts

_PROGRAM = """
{ chosen(C) } :- length(C, _).
covered(E) :- chosen(C), holds(C, E).
wrong(E) :- negative(E), covered(E).
wrong(E) :- positive(E), not covered(E).
#minimize { L@2, clause(C) : chosen(C), length(C, L); P@2, example(E) : wrong(E), penalty(E, P) }.
#minimize { T@1, C : chosen(C), tie(C, T) }.
#defined length/2. #defined tie/2. #defined holds/2. #defined penalty/2.
#defined positive/1. #defined negative/1.
#show chosen/1.
"""


@dataclass(frozen=True, kw_only=True)
class LearnedRule:
    """A rule: an example is positive if at least one of the rule's clauses holds for it.

    Attributes
    ----------
    clauses : tuple of int
        Numbers of the clauses, in ascending order; without any, every example is negative.
    size : int
        Sum of their lengths.
    penalty : int
        Sum of the penalties of the examples that the rule gives the wrong label.
    """

    clauses: tuple[int, ...]
    size: int
    penalty: int

    def labels(self, holds: np.ndarray) -> np.ndarray:
        """Return what the rule says of examples, bool (example,); `holds` as for `learn_rule`."""
        return np.asarray(holds[:, list(self.clauses)].any(axis=1))


@checked(finite=("confidences",))
def example_penalty(confidences: Float[np.ndarray, "example symbol"]) -> np.ndarray:
    r"""Return what it costs a rule to give each example the wrong label.

    .. math:: \lfloor 100 \min_i c_i \rfloor + 1

    for an example whose symbols have the confidences c_i: an example is as sure as its least sure symbol.

    Parameters
    ----------
    confidences : numpy.ndarray of float, (example, symbol)
        In [0, 1], at least one symbol an example.

    Returns
    -------
    numpy.ndarray of int64, (example,)
        From 1 to 101.

    Raises
    ------
    InputError
        If an argument does not fit.

    Notes
    -----
    Cunnington, Law, Russo & Lobo, arXiv 2106.13103, with the minimum as t-norm.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> sparsight.example_penalty(np.array([[0.0, 0.9], [0.999, 1.0], [1.0, 1.0]])).tolist()
    [1, 100, 101]
    """
    if not confidences.shape[1]:
        raise InputError("confidences have no symbols; at least one an example is needed")
    if confidences.size and (confidences.min() < 0 or confidences.max() > 1):
        raise InputError("confidences hold values outside [0, 1]; probabilities are needed")
    least = confidences.astype(np.float64).min(axis=1)
    penalties: np.ndarray = np.floor(100 * least).astype(np.int64) + 1
    return penalties


@checked()
def learn_rule(
    holds: Bool[np.ndarray, "example clause"],
    labels: Bool[np.ndarray, " example"],
    lengths: Int[np.ndarray, " clause"],
    penalties: Int[np.ndarray, " example"],
    *,
    seed: int = 0,
) -> LearnedRule:
    r"""Return the set of clauses with the least sum of lengths and of penalties of wrong examples.

    .. math:: \min_{R} \sum_{k \in R} \mathrm{length}_k
              + \sum_{e : (\exists k \in R : \mathrm{holds}_{ek}) \ne \mathrm{label}_e} \mathrm{penalty}_e

    over all subsets R of the clauses. It is found by answer set programming, and it is an optimum: the
    solver has proved it.

    Parameters
    ----------
    holds : numpy.ndarray of bool, (example, clause)
        Whether a clause holds for an example: the space of hypotheses, such as
        `sparsight.measure.clauses_hold` of `sparsight.measure.comparison_clauses`.
    labels : numpy.ndarray of bool, (example,)
        Which examples are positive.
    lengths : numpy.ndarray of int, (clause,)
        At least 1.
    penalties : numpy.ndarray of int, (example,)
        At least 1: `example_penalty`, or a constant.
    seed : int
        Of rules that cost the same it takes the one whose clauses have the least sum of numbers drawn from
        the stream ``(seed, "ties")``, so that the order of the clauses decides nothing.

    Raises
    ------
    InputError
        If an argument does not fit, costs may exceed 2³¹ − 1, or clingo is not installed.

    Notes
    -----
    The objective is that of the learners of answer set programs in Cunnington, Law, Russo & Lobo, arXiv
    2106.13103 (ILASP, FastLAS), whose clauses may define predicates of their own and call each other. Here
    clauses are listed, and a rule is one of their subsets.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> holds = np.array([[True, False], [True, True], [False, True]])
    >>> labels = np.array([True, True, False])
    >>> sparsight.learn_rule(holds, labels, np.array([2, 2]), np.array([50, 50, 50]))
    LearnedRule(clauses=(0,), size=2, penalty=0)
    """
    for name, values in (("lengths", lengths), ("penalties", penalties)):
        if len(values) and values.min() < 1:
            raise InputError(f"{name} hold {values.min()}; whole numbers from 1 are needed")
    most = int(lengths.sum(dtype=object)) + int(penalties.sum(dtype=object))
    if most > _LARGEST_COST:
        raise InputError(f"lengths and penalties sum to {most}; at most {_LARGEST_COST} is possible")
    largest_tie = min(_MOST_DIFFERENT_TIES, _LARGEST_COST // max(len(lengths), 1))
    ties = generator(seed, "ties").integers(1, largest_tie, size=len(lengths), endpoint=True)
    chosen = _optimum(_facts(holds, labels, lengths, penalties, ties))
    is_wrong = holds[:, list(chosen)].any(axis=1) != labels
    return LearnedRule(
        clauses=chosen,
        size=int(lengths[list(chosen)].sum()),
        penalty=int(penalties[is_wrong].sum()),
    )


def check_rule_learning() -> None:
    """Raise `InputError` if rules cannot be learned here: before an hour of training, not after it."""
    _clingo()


def _facts(
    holds: np.ndarray, labels: np.ndarray, lengths: np.ndarray, penalties: np.ndarray, ties: np.ndarray
) -> str:
    facts = [
        f"length({clause}, {length}). tie({clause}, {tie})."
        for clause, (length, tie) in enumerate(zip(lengths, ties, strict=True))
    ]
    facts += [
        f"{'positive' if label else 'negative'}({example}). penalty({example}, {penalty})."
        for example, (label, penalty) in enumerate(zip(labels, penalties, strict=True))
    ]
    facts += [f"holds({clause}, {example})." for example, clause in zip(*np.nonzero(holds), strict=True)]
    return "\n".join(facts)


def _optimum(facts: str) -> tuple[int, ...]:
    """Return the clauses of the last model that the solver finds, which is the best of all."""
    control = _clingo().Control(["--models=0"])  # until none is left that is better
    control.add("base", [], _PROGRAM + facts)
    control.ground([("base", [])])
    best: tuple[int, ...] = ()

    def keep(model: Any) -> None:
        nonlocal best
        best = tuple(sorted(symbol.arguments[0].number for symbol in model.symbols(shown=True)))

    # In a thread of the solver, so that Ctrl-C ends the search.
    with control.solve(on_model=keep, async_=True) as search:
        while not search.wait(_PATIENCE):
            pass
        if not search.get().exhausted:
            raise RuntimeError("clingo ended its search without a proof that the last model is the best")
    return best


def _clingo() -> ModuleType:
    try:
        import clingo
    except ImportError:
        raise InputError(
            'learning rules needs the package clingo; install it: pip install "sparsight[rules]"'
        ) from None
    return clingo
