"""Frequency-selective resampling: blocks of a picture as sparse sums of cosines, evaluated between pixels."""

import numpy as np
from jaxtyping import Float

SAMPLES_A_SIDE = 16
"""Side of the square of samples, in pixels, to which a model is fitted."""
BLOCK = 8
"""Side of the square in the middle of the samples in which the model is used."""
NUM_STEPS = 200
STEP = 0.5
"""Share of the best coefficient that a step adds: the part of other atoms in it is found later."""
LOW_PASS = 0.93
"""The gain of an atom is multiplied by this to the power of its frequency."""

DECAY = 0.8
"""A sample counts this to the power of its distance from the middle of the samples, in pixels."""

SETTINGS = f"{SAMPLES_A_SIDE}-{BLOCK}-{NUM_STEPS}-{STEP:g}-{LOW_PASS:g}-{DECAY:g}"
"""All of these, for the names of what is made with them."""

_BLOCKS_AT_A_TIME = 128  # 256 kB of projections stay in the cache


def frequency_selective(
    plane: Float[np.ndarray, "height width"],
    rows: Float[np.ndarray, " rows"],
    columns: Float[np.ndarray, " columns"],
) -> Float[np.ndarray, "rows columns"]:
    """Return the values of a picture at all pairs of real positions, rows × columns, in pixels.

    The picture is cut into blocks. The samples of a block and its surroundings are modelled by
    `matching_pursuit` as a sum of few cosines, which is evaluated at the positions in the block. Beyond the
    borders the picture is continued by its mirror image, so that it alone is looked at.

    Parameters
    ----------
    plane : numpy.ndarray of float, (height, width)
        Samples at whole positions 0, 1, …
    rows, columns : numpy.ndarray of float
        Positions, ascending, within half a pixel of the picture.

    Notes
    -----
    After Spruck, Heimann & Kaup, arXiv 2209.14431, whose text was not at hand; their settings are not known
    here. It does not smooth first: what is finer than the new grid is folded into coarser frequencies.
    """
    margin = (SAMPLES_A_SIDE - BLOCK) // 2
    corners = [np.arange(0, extent, BLOCK) for extent in plane.shape]
    padding = [
        (margin, int(each[-1]) + BLOCK + margin - n) for each, n in zip(corners, plane.shape, strict=True)
    ]
    padded = np.pad(plane.astype(np.float64), padding, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (SAMPLES_A_SIDE,) * 2)[::BLOCK, ::BLOCK]
    samples = windows.reshape(-1, SAMPLES_A_SIDE**2)
    atoms = cosine_atoms(np.arange(float(SAMPLES_A_SIDE)), np.arange(float(SAMPLES_A_SIDE)))
    coefficients = np.concatenate(
        [
            matching_pursuit(
                samples[start : start + _BLOCKS_AT_A_TIME], atoms, low_pass(), weight=middle_counts_most()
            )
            for start in range(0, len(samples), _BLOCKS_AT_A_TIME)
        ]
    ).reshape(len(corners[0]), len(corners[1]), SAMPLES_A_SIDE, SAMPLES_A_SIDE)
    found = np.empty((len(rows), len(columns)))
    of_rows, of_columns = (
        np.clip(np.floor((positions + 0.5) / BLOCK).astype(int), 0, len(each) - 1)
        for positions, each in zip((rows, columns), corners, strict=True)
    )
    for i, top in enumerate(corners[0]):
        down = _waves(rows[of_rows == i] - top + margin)
        for j, left in enumerate(corners[1]):
            across = _waves(columns[of_columns == j] - left + margin)
            found[np.ix_(of_rows == i, of_columns == j)] = down.T @ coefficients[i, j] @ across
    return found


def matching_pursuit(
    samples: Float[np.ndarray, "blocks samples"],
    atoms: Float[np.ndarray, "atoms samples"],
    preference: Float[np.ndarray, " atoms"],
    *,
    weight: Float[np.ndarray, " samples"] | None = None,
    num_steps: int = NUM_STEPS,
    step: float = STEP,
) -> Float[np.ndarray, "blocks atoms"]:
    r"""Return coefficients with which sums of few atoms resemble the samples of each block.

    With the residual r of a block, its projections :math:`p = \Phi (w \circ r)` and the atoms' energies
    :math:`D = \Phi^2 w`, every step takes the atom with the largest :math:`s\, p^2 / D`, adds
    :math:`\gamma\, p / D` to its coefficient, and takes :math:`\gamma\, p / D` times the atom from r. Only
    p is kept: the Gram matrix :math:`\Phi W \Phi^\top`, which all blocks share, says how a step changes it.

    Parameters
    ----------
    samples : numpy.ndarray of float, (blocks, samples)
    atoms : numpy.ndarray of float, (atoms, samples)
        Φ. Their scale does not matter.
    preference : numpy.ndarray of float, (atoms,)
        s, the factor of an atom's gain.
    weight : numpy.ndarray of float, (samples,), optional
        w, how much a sample counts. Default: all alike.
    num_steps : int
    step : float
        γ in (0, 1].
    """
    weighted = atoms if weight is None else atoms * weight
    gram = weighted @ atoms.T
    energy = np.diag(gram)
    # Projections are kept times √(s / D): the best atom is then the one of the largest absolute value.
    gain = np.sqrt(preference / energy)
    gram = gram * gain
    gained = (samples @ weighted.T) * gain
    coefficients: np.ndarray = np.zeros_like(gained)
    block, sizes = np.arange(len(samples)), np.empty_like(gained)
    for _ in range(num_steps):
        best = np.abs(gained, out=sizes).argmax(axis=1)
        change = step * gained[block, best] / (gain * energy)[best]
        coefficients[block, best] += change
        gained -= change[:, None] * gram[best]
    return coefficients


def cosine_atoms(
    rows: Float[np.ndarray, " rows"], columns: Float[np.ndarray, " columns"]
) -> Float[np.ndarray, "atoms samples"]:
    r"""Return the atoms of a block at all pairs of positions, rows × columns.

    Atom (k, l) is :math:`\cos\tfrac{\pi}{2K}(2y + 1)k\; \cos\tfrac{\pi}{2K}(2x + 1)l` with K =
    `SAMPLES_A_SIDE`: at whole positions 0 … K − 1 those of the discrete cosine transform.
    """
    down, across = _waves(rows), _waves(columns)
    num_samples = down.shape[1] * across.shape[1]
    atoms: np.ndarray = np.einsum("ky,lx->klyx", down, across).reshape(SAMPLES_A_SIDE**2, num_samples)
    return atoms


def low_pass() -> Float[np.ndarray, " atoms"]:
    """Return the preference of each atom: `LOW_PASS` to the power of its frequency √(k² + l²)."""
    frequency = np.hypot(*np.indices((SAMPLES_A_SIDE,) * 2))
    preference: np.ndarray = LOW_PASS ** frequency.ravel()
    return preference


def middle_counts_most() -> Float[np.ndarray, " samples"]:
    """Return the weight of each sample: `DECAY` to the power of its distance from the middle."""
    offsets = np.indices((SAMPLES_A_SIDE,) * 2) - (SAMPLES_A_SIDE - 1) / 2
    weight: np.ndarray = DECAY ** np.hypot(*offsets).ravel()
    return weight


def _waves(positions: np.ndarray) -> np.ndarray:
    """Return the one-dimensional cosines at positions: (frequencies, positions)."""
    phases = np.pi / (2 * SAMPLES_A_SIDE) * np.outer(np.arange(SAMPLES_A_SIDE), 2 * positions + 1)
    waves: np.ndarray = np.cos(phases)
    return waves
