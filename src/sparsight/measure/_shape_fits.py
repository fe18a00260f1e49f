"""Gaussian and Gabor fits to receptive fields, with r²."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy import fft, optimize

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure._receptive_field import envelope
from sparsight.streams import generator

MIN_WIDTH = 0.5
"""Smallest σ in pixels: a narrower Gaussian is a single pixel, whatever its σ."""
_MAX_EVALUATIONS = 200  # evaluations of residual and Jacobian: receptive fields take 10 to 30, noise more


@dataclass(frozen=True, eq=False, kw_only=True)
class ShapeFits:
    """Best fits of one shape to the spatial profiles of some units, (fit,) or (fit, axes) each.

    * `units`: indices of the units that were tried.
    * `r_squared`: 1 − Σ(p − f)² / Σp² over all pixels, with p the profile and f the fit: 0 for the zero
      function, 1 for a perfect fit, NaN without a fit.
    * `centre`: in pixels; on a torus in [0, extent).
    * `widths`: σ in pixels; in 2-D first along the direction of `orientation`, then across it.
    * `orientation`: direction of the wave (Gabor) or of the long axis (Gaussian): the angle to the last axis
      (x), towards increasing y, in radians in [0, π). 0 in 1-D.
    * `frequency`: cycles per pixel; 0 for a Gaussian.
    * `phase`: of the wave at the centre, in radians in [−π, π); 0 is even. For a Gaussian it is the sign: 0
      or −π.
    * `amplitude`: largest value of envelope times wave at phase 0; not negative.
    * `channel_share`: Σp² / Σw², the share of the unit's weights in the profile, which is common to all
      channels. 1 with one channel.
    * `num_undefined`: units without a fit: they have no more kept pixels than the shape has parameters.
    * `num_failed`: fits that did not converge.
    """

    units: np.ndarray
    r_squared: np.ndarray
    centre: np.ndarray
    widths: np.ndarray
    orientation: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray
    amplitude: np.ndarray
    channel_share: np.ndarray
    num_undefined: int
    num_failed: int


@checked(finite=("weights",))
def fit_gaussian(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry, *, share: float = 1.0, seed: int = 0
) -> ShapeFits:
    """Fit A exp(−½ Σ_a (u_a/σ_a)²), u the offset from the centre along the ellipse's axes.

    Parameters
    ----------
    weights : numpy.ndarray of float or bool, (out, in)
        Signed weights, exactly 0 where pruned; the zeros are part of the fit. The profile of a unit with
        several channels is the first spatial singular vector of its (channel, pixel) matrix times its
        singular value, with the sign that makes the largest entry of the channels' vector positive.
    share : float
        Share of the units to fit, in (0, 1]; at least one unit, drawn without replacement.

    Raises
    ------
    InputError
        If the weights do not fit the geometry or are not finite, or `share` is not in (0, 1].

    Notes
    -----
    Amplitudes are solved for exactly at each step (variable projection: Golub & Pereyra, SIAM J. Numer.
    Anal. 10:413, 1973), and the other parameters by `scipy.optimize.least_squares`, from one start for a
    Gaussian and three for a Gabor. σ is between `MIN_WIDTH` and the extent. Anything fits a unit with few
    pixels well: compare r² with that of the same weights shuffled over their pixels (`shuffled_over_kept`).
    """
    return _fits(weights, geometry, False, share, seed)


@checked(finite=("weights",))
def fit_gabor(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry, *, share: float = 1.0, seed: int = 0
) -> ShapeFits:
    """Fit A exp(−½ Σ_a (u_a/σ_a)²) cos(2π f u_0 + φ); everything else is as in `fit_gaussian`.

    f is between 0 and ½ cycles per pixel. As f → 0 the shape becomes a Gaussian, so up to local optima its r²
    is at least that of a Gaussian.
    """
    return _fits(weights, geometry, True, share, seed)


@checked(finite=("weights",))
def shuffled_over_kept(weights: Float[np.ndarray, "out in"], seed: int) -> Float[np.ndarray, "out in"]:
    """Return each unit's kept weights in random order on its kept inputs: a control for fits."""
    units, inputs = np.nonzero(weights)
    order = np.lexsort((generator(seed, "shuffled over kept").random(len(units)), units))
    shuffled = np.zeros_like(weights)
    shuffled[units, inputs] = weights[units[order], inputs[order]]
    return shuffled


@checked(finite=("weights",))
def profiles(weights: Shaped[np.ndarray, "out in"], geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return each unit's spatial profile, (out, *size), and its share of Σw²; see `fit_gaussian`."""
    fields = weights.astype(np.float64).reshape(len(weights), geometry.channels, geometry.num_pixels)
    # Through the (channel, channel) Gram matrix: it is tiny, unlike the fields that an SVD would decompose.
    gram = fields @ fields.transpose(0, 2, 1)  # (out, channel, channel)
    vectors = np.linalg.eigh(gram)[1][:, :, -1]  # the channels' vector of the largest singular value
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    found = np.einsum("uc,ucp->up", vectors * np.where(largest < 0, -1, 1), fields)
    whole = (fields**2).sum(axis=(1, 2))
    share = np.divide((found**2).sum(axis=1), whole, out=np.full(len(weights), np.nan), where=whole > 0)
    return found.reshape(len(weights), *geometry.size), share


def _fits(weights: np.ndarray, geometry: Geometry, gabor: bool, share: float, seed: int) -> ShapeFits:
    if not 0 < share <= 1:
        raise InputError(f"share is {share}; it must be above 0 and at most 1")
    number = min(len(weights), max(1, round(share * len(weights))))
    units = np.sort(generator(seed, "shape fits").permutation(len(weights))[:number])
    fields, channel_share = profiles(weights[units], geometry)
    num_axes = len(geometry.size)
    num_parameters = (5 if num_axes == 2 else 2) + (3 if gabor else 1)
    columns = 2 * num_axes + 5
    found = np.full((number, columns), np.nan)
    num_undefined = num_failed = 0
    for row, field in enumerate(fields):
        if np.count_nonzero(field) <= num_parameters:
            num_undefined += 1
            continue
        best = _best_fit(field, geometry, gabor)
        if best is None:
            num_failed += 1
        else:
            found[row] = best
    centre, widths, rest = np.split(found, [num_axes, 2 * num_axes], axis=1)
    orientation, frequency, phase, amplitude, r_squared = rest.T
    return ShapeFits(
        units=units,
        r_squared=r_squared,
        centre=centre,
        widths=widths,
        orientation=orientation,
        frequency=frequency,
        phase=phase,
        amplitude=amplitude,
        channel_share=channel_share,
        num_undefined=num_undefined,
        num_failed=num_failed,
    )


def _best_fit(field: np.ndarray, geometry: Geometry, gabor: bool) -> np.ndarray | None:
    """Return centre, widths, orientation, frequency, phase, amplitude and r² of the best fit."""
    # A power of two brings the field near 1 without rounding: squares of denormal weights would vanish.
    exponent = np.frexp(np.abs(field).max())[1]
    field = np.ldexp(field, -exponent)
    scale = np.abs(field).max()
    target = (field / scale).reshape(-1)
    positions = geometry.positions().astype(np.float64)
    extents = np.array(geometry.size, dtype=np.float64)
    num_axes = len(extents)

    def basis(parameters: np.ndarray) -> np.ndarray:
        """Return the even and, for a Gabor, the odd wave under the envelope, (pixel, 1 or 2)."""
        offsets = positions - parameters[:num_axes]
        if geometry.wraps:
            offsets = (offsets + extents / 2) % extents - extents / 2
        along = _rotated(offsets, parameters[2 * num_axes] if num_axes == 2 else 0.0)
        bump = np.exp(-0.5 * ((along / np.exp(parameters[num_axes : 2 * num_axes])) ** 2).sum(axis=1))
        if not gabor:
            return np.asarray(bump[:, None])
        angle = 2 * np.pi * parameters[-1] * along[:, 0]
        waves: np.ndarray = np.stack([bump * np.cos(angle), bump * np.sin(angle)], axis=1)
        return waves

    def amplitudes(waves: np.ndarray) -> np.ndarray:
        # The odd wave vanishes as f → 0; a tiny ridge keeps the solution finite without a loss of r².
        gram = waves.T @ waves + 1e-12 * np.eye(waves.shape[1])
        return np.asarray(np.linalg.solve(gram, waves.T @ target))

    def residual(parameters: np.ndarray) -> np.ndarray:
        waves = basis(parameters)
        difference: np.ndarray = target - waves @ amplitudes(waves)
        return difference

    lower, upper = _bounds(extents, gabor, geometry.wraps)
    best = None
    for start in _starts(field, geometry, gabor):
        found = optimize.least_squares(
            residual,
            np.clip(start, lower + 1e-6, upper - 1e-6),  # least_squares wants a start strictly inside
            bounds=(lower, upper),
            x_scale=_scales(num_axes, gabor),
            ftol=1e-6,
            xtol=1e-6,
            gtol=1e-9,
            max_nfev=_MAX_EVALUATIONS,
        )
        if found.status > 0 and np.isfinite(found.cost) and (best is None or found.cost < best.cost):
            best = found
    if best is None:
        return None
    return _described(
        best.x,
        np.ldexp(amplitudes(basis(best.x)) * scale, exponent),
        1 - 2 * best.cost / (target @ target),
        extents,
    )


def _rotated(offsets: np.ndarray, orientation: float) -> np.ndarray:
    """Return offsets (y, x) along and across a direction; 1-D offsets as they are."""
    if offsets.shape[1] == 1:
        return offsets
    cosine, sine = math.cos(orientation), math.sin(orientation)
    y, x = offsets.T
    return np.stack([cosine * x + sine * y, cosine * y - sine * x], axis=1)


def _bounds(extents: np.ndarray, gabor: bool, wraps: bool) -> tuple[np.ndarray, np.ndarray]:
    turns = len(extents) - 1  # one angle in 2-D. It is free: its distant bounds only keep it finite
    # On a torus a centre may walk across the border, otherwise only to the edge of the outermost pixel.
    margin = extents if wraps else 0.5 * np.ones_like(extents)
    lower = [*(-margin), *np.full(len(extents), math.log(MIN_WIDTH)), *[-20.0] * turns]
    upper = [
        *(extents - 1 + margin),
        *np.full(len(extents), math.log(max(extents.max(), 1.0))),
        *[20.0] * turns,
    ]
    return np.array([*lower, *[0.0] * gabor]), np.array([*upper, *[0.5] * gabor])


def _scales(num_axes: int, gabor: bool) -> np.ndarray:
    """Return steps that change the shape about equally: pixels, log-widths, radians, cycles per pixel."""
    return np.array([*[1.0] * num_axes, *[0.3] * num_axes, *[0.3] * (num_axes - 1), *[0.05] * gabor])


def _starts(field: np.ndarray, geometry: Geometry, gabor: bool) -> list[np.ndarray]:
    """Return the starts of a fit: the ellipse of the squared weights, waves at the spectrum's peak."""
    single = Geometry(1, geometry.size, geometry.wraps)
    shape = envelope((field**2).reshape(1, -1), single)
    variances, axes = np.linalg.eigh(shape.covariance[0])
    # The square of a Gaussian has half its variance. eigh sorts upwards; the long axis comes first.
    widths = np.sqrt(np.maximum(2 * variances[::-1], MIN_WIDTH**2))
    if not gabor:
        long_axis = axes[:, -1]
        turned = [math.atan2(long_axis[0], long_axis[1])] if len(geometry.size) == 2 else []
        return [np.array([*shape.centre[0], *np.log(widths), *turned])]
    # Zero padding samples the spectrum twice as finely: a field may hold only a cycle or two of its wave.
    spectrum = np.abs(fft.fftn(field, [2 * extent for extent in geometry.size]))
    frequencies = np.stack(
        np.meshgrid(*(fft.fftfreq(2 * extent) for extent in geometry.size), indexing="ij"), axis=-1
    )
    peak = frequencies[np.unravel_index(spectrum.argmax(), spectrum.shape)]
    frequency = min(float(np.linalg.norm(peak)), 0.45)
    round_width = math.log(math.sqrt(float((widths**2).mean())))
    direction = math.atan2(peak[0], peak[-1]) if len(geometry.size) == 2 and frequency > 0 else 0.0
    # Three starts against local optima: the peak, a slower wave in its direction, and a wave across it.
    starts = []
    for turn, cycles in (
        (direction, frequency),
        (direction, 0.5 * frequency + 0.05),
        (direction + math.pi / 2, 0.1),
    ):
        turned = [turn] if len(geometry.size) == 2 else []
        starts.append(np.array([*shape.centre[0], *[round_width] * len(geometry.size), *turned, cycles]))
    return starts


def _described(
    parameters: np.ndarray, amplitudes: np.ndarray, r_squared: float, extents: np.ndarray
) -> np.ndarray:
    """Return a fit in the canonical ranges of `ShapeFits`, in the order of `_best_fit`.

    The same shape has many parameters (a half turn with the phase reversed, axes swapped, a centre one
    extent away), and without a convention fits could not be compared.
    """
    num_axes = len(extents)
    centre, widths = parameters[:num_axes], np.exp(parameters[num_axes : 2 * num_axes])
    turn = parameters[2 * num_axes] if num_axes == 2 else 0.0
    if len(amplitudes) == 1 and widths[0] < widths[-1]:
        widths, turn = widths[::-1], turn + math.pi / 2
    frequency = parameters[-1] if len(amplitudes) == 2 else 0.0
    even, odd = amplitudes[0], amplitudes[1] if len(amplitudes) == 2 else 0.0
    orientation = turn % math.pi
    if round((turn - orientation) / math.pi) % 2:  # half a turn reverses the wave
        odd = -odd
    if (centre < -0.5).any() or (centre > extents - 0.5).any():
        centre = centre % extents
    phase = (math.atan2(-odd, even) + math.pi) % (2 * math.pi) - math.pi
    return np.array([*centre, *widths, orientation, frequency, phase, math.hypot(even, odd), r_squared])
