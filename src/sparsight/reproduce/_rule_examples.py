"""Examples of planted rules: tuples of pictures whose label follows from their classes.

A network names the pictures. What is learned from the names is compared with the rule that made the labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import special

from sparsight.errors import InputError
from sparsight.measure import ComparisonClause, comparison_clauses

TUPLE_SIZE = 4
CLAUSES = comparison_clauses(TUPLE_SIZE)
"""The space of hypotheses: a rule is any set of these 28 clauses."""

PLANTED: Mapping[str, ComparisonClause] = MappingProxyType(
    {
        "same": ComparisonClause("=", (0, 1)),
        "order": ComparisonClause("<", (0, 1)),
        "row": ComparisonClause("="),  # the tuple is no row of a Latin square: a class occurs twice
    }
)
"""Rules that make labels. Each is one clause of the space; two pictures of `same` and `order` distract."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Naming:
    """What a network calls pictures.

    Attributes
    ----------
    names : numpy.ndarray of int, (picture, …)
        The most probable class.
    confidences : numpy.ndarray of float64, (picture, …)
        Its probability.
    """

    names: np.ndarray
    confidences: np.ndarray

    @classmethod
    def of_logits(cls, logits: np.ndarray) -> "Naming":
        """Return the naming by the softmax of logits, (picture, class)."""
        probabilities = special.softmax(logits.astype(np.float64), axis=1)
        return cls(names=probabilities.argmax(axis=1), confidences=probabilities.max(axis=1))

    def of_tuples(self, pictures: np.ndarray) -> "Naming":
        """Return the naming of tuples of pictures, (example, position)."""
        return Naming(names=self.names[pictures], confidences=self.confidences[pictures])

    def where(self, other: "Naming", is_other: np.ndarray) -> "Naming":
        """Return a naming of tuples with the examples in `is_other`, bool (example,), from another one."""
        return Naming(
            names=np.where(is_other[:, None], other.names, self.names),
            confidences=np.where(is_other[:, None], other.confidences, self.confidences),
        )


def drawn_tuples(
    rule: ComparisonClause, classes: np.ndarray, num_examples: int, stream: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw tuples of pictures, half of them positive.

    A label is drawn, then classes uniformly among those with this label, then a picture of each class.

    Parameters
    ----------
    rule : ComparisonClause
        Which classes are positive.
    classes : numpy.ndarray of int, (picture,)
        The class of each picture.

    Returns
    -------
    pictures : numpy.ndarray of int64, (example, position)
        Numbers of pictures.
    labels : numpy.ndarray of bool, (example,)

    Raises
    ------
    InputError
        If the classes there are all give the same label.
    """
    there = np.unique(classes)
    every = there[np.indices((len(there),) * TUPLE_SIZE).reshape(TUPLE_SIZE, -1).T]
    is_positive = rule.holds(every)
    if is_positive.all() or not is_positive.any():
        raise InputError(
            f"pictures are of {len(there)} classes, and {rule} gives all tuples of them one label; more "
            "classes are needed"
        )
    labels = stream.permutation(num_examples) % 2 == 0
    drawn = np.empty((num_examples, TUPLE_SIZE), np.int64)
    for label in (False, True):
        choices = np.flatnonzero(is_positive == label)
        drawn[labels == label] = every[stream.choice(choices, size=int((labels == label).sum()))]
    pictures = np.empty_like(drawn)
    for each in there:
        wanted = drawn == each
        pictures[wanted] = stream.choice(np.flatnonzero(classes == each), size=int(wanted.sum()))
    return pictures, labels


def confusion_rates(names: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the share of pictures of each class that get each name: float64, (class, name).

    Classes without pictures keep their name.
    """
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (classes, names), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), np.eye(num_classes))


def error_twin(classes: np.ndarray, rates: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Return names drawn for classes, each independently with the given confusion rates; same shape."""
    ends = rates.cumsum(axis=1)[classes]
    # Rounding may leave the last end below 1.
    drawn = stream.random(classes.shape)[..., None] * ends[..., -1:]
    found: np.ndarray = (drawn >= ends).sum(axis=-1)
    return found
