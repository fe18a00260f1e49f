"""The shape of single receptive fields: concentration, centre, extent, connected pieces."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import ndimage, stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sparsight.arguments import checked
from sparsight.geometry import Geometry


def _near_one(weights: np.ndarray) -> np.ndarray:
    """Scale each unit by a power of two, without rounding, so that squares neither vanish nor overflow."""
    values = weights.astype(np.float64)
    exponents = np.frexp(np.abs(values).max(axis=1, initial=0.0))[1]
    scaled: np.ndarray = np.ldexp(values, -exponents[:, None])
    return scaled


@checked(finite=("weights",))
def ipr(weights: Float[np.ndarray, "out in"]) -> Float[np.ndarray, " out"]:
    """Return the inverse participation ratio Σw⁴ / (Σw²)² of each unit.

    It is 1/n if n weights are equally large, 1 if there is a single weight, and NaN for a unit without
    weights. It also rises when weights are removed at random: compare it with `ipr_of_fan_in`.
    """
    squares = _near_one(weights) ** 2
    total = squares.sum(axis=1)
    found = np.full(len(weights), np.nan)
    np.divide((squares**2).sum(axis=1), total**2, out=found, where=total > 0)
    return found


@checked()
def ipr_of_fan_in(fan_in: Int[np.ndarray, " out"]) -> Float[np.ndarray, " out"]:
    """Return the mean ipr of k independent Gaussian weights, 3 / (k + 2); NaN for k = 0.

    Squares of Gaussians, divided by their sum, follow a Dirichlet(½, …, ½) distribution, whose second
    moments sum to 3 / (k + 2). The ipr does not depend on the positions of the weights, so moving them to
    random inputs would not change it. This null asks whether few weights dominate beyond what the fan-in
    and a Gaussian spread explain.
    """
    return np.where(fan_in > 0, 3 / (fan_in + 2.0), np.nan)


@checked(finite=("weights",))
def participation_ratio(weights: Float[np.ndarray, "out in"]) -> Float[np.ndarray, " out"]:
    """Return (Σw²)² / Σw⁴ of each unit: the number of weights that matter. NaN without weights."""
    return np.asarray(1 / ipr(weights))


@checked(finite=("weights",))
def entropy(weights: Float[np.ndarray, "out in"]) -> Float[np.ndarray, " out"]:
    """Return −Σ p ln p with p = w² / Σw² of each unit, in nats.

    It is ln n if n weights are equally large, which is the maximum for n weights, and NaN for a unit without
    weights. It also falls when weights are removed at random.
    """
    squares = _near_one(weights) ** 2
    total = squares.sum(axis=1, keepdims=True)
    shares = np.divide(squares, total, out=np.full_like(squares, np.nan), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Envelope:
    """Centre, (out, axes), and extent of each unit's receptive field, summed over channels, in pixels.

    The centre is the mean position; on a torus the circular mean, in [0, extent). NaN for empty units. The
    covariance, (out, axes, axes), is that of the positions around the centre (on a torus: of their nearest
    images). Its eigenvectors are the directions of the ellipse's axes, the roots of its eigenvalues their
    lengths. The radius of gyration is the root of its trace.
    """

    centre: np.ndarray
    covariance: np.ndarray
    radius_of_gyration: np.ndarray


@checked(finite=("weights",))
def envelope(weights: Shaped[np.ndarray, "out in"], geometry: Geometry) -> Envelope:
    """Return the centre and the extent of each unit's receptive field.

    Parameters
    ----------
    weights : numpy.ndarray of non-negative numbers or bool, (out, in)
        A mask, or squared weights.
    """
    mass = weights.astype(np.float64).reshape(len(weights), geometry.channels, geometry.num_pixels)
    mass = mass.sum(axis=1)  # (out, pixel)
    total = mass.sum(axis=1, keepdims=True)
    shares = np.divide(mass, total, out=np.full_like(mass, np.nan), where=total > 0)
    positions = geometry.positions().astype(np.float64)  # (pixel, axis)
    extents = np.array(geometry.size, dtype=np.float64)
    if geometry.wraps:
        # Circular mean: positions are angles, and the mean of their unit vectors has the mean angle.
        phases = shares @ np.exp(2j * np.pi * positions / extents)
        centre = np.mod(np.angle(phases) * extents / (2 * np.pi), extents)
    else:
        centre = shares @ positions
    offsets = positions[None] - centre[:, None]  # (out, pixel, axis)
    if geometry.wraps:
        offsets = (offsets + extents / 2) % extents - extents / 2
    covariance = np.einsum("up,upa,upb->uab", shares, offsets, offsets)
    radius = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    return Envelope(centre, covariance, radius)


@checked(finite=("weights",))
def distance_from_centre(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry
) -> Float[np.ndarray, "out in"]:
    """Return the distance of each input from the centre of its unit's receptive field, in pixels.

    Parameters
    ----------
    weights : numpy.ndarray of non-negative numbers or bool, (out, in)
        A mask, or squared weights: the mass whose mean position is the centre.
    geometry : Geometry
        Geometry of the inputs. On a torus, distances are to the nearest image of the (circular) mean.

    Returns
    -------
    numpy.ndarray of float64, (out, in)
        The same for all channels of a pixel; NaN for a unit without mass.
    """
    centre = envelope(weights, geometry).centre  # (out, axes)
    squares = np.zeros((len(weights), geometry.num_pixels))
    for axis, (extent, position) in enumerate(zip(geometry.size, geometry.positions().T, strict=True)):
        offset = np.abs(position - centre[:, axis, None])  # (out, pixel)
        squares += (np.minimum(offset, extent - offset) if geometry.wraps else offset) ** 2
    return np.tile(np.sqrt(squares), geometry.channels)


@checked()
def num_components(mask: Bool[np.ndarray, "out in"], geometry: Geometry) -> Int[np.ndarray, " out"]:
    """Count the connected pieces of each unit's receptive field.

    Channels are collapsed (a pixel is kept if any channel keeps it). Pixels that touch by side or corner are
    connected, also across the border if the geometry wraps.
    """
    pixels = mask.reshape(len(mask), geometry.channels, *geometry.size).max(axis=1)  # (out, *size)
    structure = np.zeros((3,) * pixels.ndim, dtype=bool)
    structure[1] = True  # neighbours within a unit, none across units
    labels, number = ndimage.label(pixels, structure)
    unit_of = np.zeros(number, dtype=np.int64)
    unit_of[labels[pixels] - 1] = np.nonzero(pixels)[0]
    # ndimage.label knows no torus: pieces that touch across the border are joined afterwards, as a graph.
    if geometry.wraps:
        labels = labels.reshape(len(mask), -1)
        first, second = _touching_across_the_border(geometry)
        touching = (labels[:, first] > 0) & (labels[:, second] > 0)
        edges = (labels[:, first][touching] - 1, labels[:, second][touching] - 1)
        graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(number, number))
        number, piece_of = connected_components(graph, directed=False)
        unit_of_label, unit_of = unit_of, np.zeros(number, dtype=np.int64)
        unit_of[piece_of] = unit_of_label
    return np.bincount(unit_of, minlength=len(mask))


def _touching_across_the_border(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of pixels that touch only because the geometry wraps."""
    index = np.arange(geometry.num_pixels).reshape(geometry.size)
    pairs = []
    for step in itertools.product((-1, 0, 1), repeat=len(geometry.size)):
        crosses = np.zeros(geometry.size, dtype=bool)
        for axis, shift in enumerate(step):
            if shift:
                np.moveaxis(crosses, axis, 0)[0 if shift == 1 else -1] = True
        pairs.append((index[crosses], np.roll(index, step, axis=tuple(range(index.ndim)))[crosses]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


@checked()
def fan_in_histogram(mask: Bool[np.ndarray, "out in"], *, num_bins: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return how many units keep 0, 1, … inputs, and how many a binomial of the same density expects.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
        True = kept.
    num_bins : int
        Minimum length of the histogram; ``in + 1`` is enough for every mask.

    Returns
    -------
    counts : numpy.ndarray of int64, (largest fan-in + 1,), or `num_bins` if that is more
    expected : numpy.ndarray of float64, the same length
        out · Binomial(in, density).
    """
    counts = np.bincount(mask.sum(axis=1), minlength=num_bins)
    num_units, num_inputs = mask.shape
    expected = num_units * stats.binom.pmf(
        np.arange(len(counts)), num_inputs, mask.mean() if mask.size else 0.0
    )
    return counts, np.asarray(expected)


@checked()
def fan_out(mask: Bool[np.ndarray, "out in"]) -> Int[np.ndarray, " in"]:
    """Return how many units keep each input."""
    return np.asarray(mask.sum(axis=0))
