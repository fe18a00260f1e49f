"""A mask as a bipartite graph between inputs and units: degrees, spectrum, components."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sparsight.arguments import checked


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskGraph:
    """Properties of the bipartite graph whose edges are the weights that a mask keeps.

    Attributes
    ----------
    singular_values : numpy.ndarray of float64, (min(out, in),)
        Singular values of the mask as a matrix of 0 and 1, largest first.
    first_singular_value, second_singular_value : float
        The two largest of them. NaN if the matrix has fewer.
    ramanujan_bound : float
        √(k₁ − 1) + √(k₂ − 1), with k₁ and k₂ the mean degrees of the units and inputs that have any weight.
        In a graph where all units have k₁ inputs and all inputs k₂ units, the first singular value is
        √(k₁k₂), and the graph is a Ramanujan graph if the second is at most this bound. Of unequal degrees
        the bound says nothing by itself: compare with random graphs of the same degrees. NaN for an empty
        mask.
    effective_rank : float
        exp of the entropy of the singular values, divided by their sum: the number of singular values, if all
        are equal. NaN for an empty mask.
    num_components : int
        Connected components with at least one weight.
    largest_component_share : float
        Share of the weights in the component that has most of them. NaN for an empty mask.
    fan_in_variation, fan_out_variation : float
        Standard deviation of the degree over its mean, over all units and over all inputs. NaN for an empty
        mask.
    fan_in_tail, fan_out_tail : float
        Share of the weights on the tenth of units, or inputs, with the largest degrees; 0.1 if all degrees
        are equal. NaN for an empty mask.
    num_without_inputs, num_without_readers : int
        Units without a kept weight, and inputs that no unit reads.
    """

    singular_values: np.ndarray
    first_singular_value: float
    second_singular_value: float
    ramanujan_bound: float
    effective_rank: float
    num_components: int
    largest_component_share: float
    fan_in_variation: float
    fan_out_variation: float
    fan_in_tail: float
    fan_out_tail: float
    num_without_inputs: int
    num_without_readers: int


@checked()
def mask_graph(mask: Bool[np.ndarray, "out in"]) -> MaskGraph:
    """Measure a mask as a graph.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
        True where a weight is kept.

    Notes
    -----
    Ramanujan bound of bipartite graphs: Feng & Li, Journal of Number Theory 60:1 (1996); of masks: Pal,
    Biswas, Kolay, Mitra, Basu (ICLR 2022); Hoang, Liu, Marculescu, Wang (ICLR 2023). Random regular graphs
    meet it up to a term that vanishes with their size (Brito, Dumitriu, Harris, arXiv 2006.08041).
    """
    fan_in, fan_out = mask.sum(axis=1), mask.sum(axis=0)
    num_kept = int(fan_in.sum())
    values = singular_values(mask.astype(np.float64))
    first, second = (*values[:2], np.nan, np.nan)[:2]
    bound = np.nan
    if num_kept:
        degrees = (num_kept / np.count_nonzero(each) for each in (fan_in, fan_out))
        bound = float(sum(np.sqrt(degree - 1) for degree in degrees))
    in_components = _weights_in_components(mask)
    return MaskGraph(
        singular_values=values,
        first_singular_value=float(first),
        second_singular_value=float(second),
        ramanujan_bound=bound,
        effective_rank=_entropy_rank(values),
        num_components=len(in_components),
        largest_component_share=float(in_components.max() / num_kept) if num_kept else np.nan,
        fan_in_variation=_variation(fan_in),
        fan_out_variation=_variation(fan_out),
        fan_in_tail=_tail(fan_in),
        fan_out_tail=_tail(fan_out),
        num_without_inputs=int((fan_in == 0).sum()),
        num_without_readers=int((fan_out == 0).sum()),
    )


@checked(finite=("matrix",))
def singular_values(matrix: Float[np.ndarray, "out in"]) -> np.ndarray:
    """Return all singular values, largest first: float64, (min(out, in),).

    They are square roots of the eigenvalues of the smaller Gram matrix, so that values below 10⁻⁸ of the
    largest are rounding errors.
    """
    tall = matrix.astype(np.float64) if len(matrix) >= matrix.shape[1] else matrix.T.astype(np.float64)
    eigenvalues = np.linalg.eigvalsh(tall.T @ tall)[::-1]
    values: np.ndarray = np.sqrt(np.maximum(eigenvalues, 0.0))
    return values


@checked(finite=("matrix",))
def effective_rank(matrix: Float[np.ndarray, "out in"]) -> float:
    """Return exp(−Σ p log p) with p the singular values over their sum; NaN if all are 0.

    Roy & Vetterli, EUSIPCO 2007: 1 for a matrix of rank 1, n for n equal singular values.
    """
    return _entropy_rank(singular_values(matrix))


def _entropy_rank(values: np.ndarray) -> float:
    total = float(values.sum())
    if total == 0:
        return np.nan
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _weights_in_components(mask: np.ndarray) -> np.ndarray:
    """Return the number of weights in each connected component that has any."""
    num_units, num_inputs = mask.shape
    units, inputs = np.nonzero(mask)
    num_nodes = num_units + num_inputs
    graph = coo_array((np.ones(len(units), np.int8), (units, num_units + inputs)), (num_nodes, num_nodes))
    component = connected_components(graph, directed=False)[1] if num_nodes else np.zeros(0, int)
    counts = np.bincount(component[units], minlength=1)
    found: np.ndarray = counts[counts > 0]
    return found


def _variation(degrees: np.ndarray) -> float:
    mean = degrees.mean() if len(degrees) else 0.0
    return float(degrees.std() / mean) if mean > 0 else np.nan


def _tail(degrees: np.ndarray) -> float:
    """Return the share of the weights on the tenth of the nodes with the largest degrees.

    If a tenth is not a whole number of nodes, the last one counts in part.
    """
    total = degrees.sum()
    if total == 0:
        return np.nan
    falling = np.sort(degrees)[::-1].astype(np.float64)
    whole, part = divmod(len(degrees) / 10, 1)
    top = falling[: int(whole)].sum() + part * falling[int(whole)]
    return float(top / total)
