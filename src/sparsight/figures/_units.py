"""One unit: its pre-activations beside the Gaussian fitted to them, and what each of its weights adds."""

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._over_density import add_legend, new_axes
from sparsight.figures._palette import INK, MUTED, SIGNED
from sparsight.figures._receptive_fields import colour_bar
from sparsight.geometry import Geometry
from sparsight.measure import HISTOGRAM_EDGES, gaussian_shares

_FULL_AT = 3.0
"""Colours of a cavity map are full at so many times the root mean square of the unit's effects."""


def plot_preactivations(
    counts: Shaped[np.ndarray, " bin"],
    ax: Axes | None = None,
    *,
    log: bool = True,
    title: str = "",
    legend: bool = True,
) -> Axes:
    """Draw the histogram of one unit's pre-activations, beside the Gaussian of its mean and variance.

    Parameters
    ----------
    counts : numpy.ndarray, (bin,)
        A row of `sparsight.measure.preactivation_histogram`, or of the quantity
        ``gaussianity.histogram_per_unit``; may be a sum over units.
    ax : matplotlib.axes.Axes, optional
    log : bool
        Whether shares are on a log axis, where tails can be seen.
    title : str
    legend : bool

    Returns
    -------
    matplotlib.axes.Axes
        x: (λ − mean)/sd. The outermost bins hold what lies beyond, of the Gaussian too.

    Raises
    ------
    InputError
        If `counts` does not have one number for each bin, or holds no sample.
    """
    shares = gaussian_shares()
    if counts.shape != shares.shape:
        raise InputError(f"counts have shape {counts.shape}; {shares.shape}, one a bin, is needed")
    total = float(counts.sum())
    if total <= 0:
        raise InputError("counts hold no sample: the unit's pre-activation does not vary")
    ax = new_axes(ax)
    ax.stairs(
        counts / total, HISTOGRAM_EDGES, fill=True, color="#0072b2", alpha=0.35, label="pre-activations"
    )
    ax.stairs(shares, HISTOGRAM_EDGES, color=INK, lw=1.2, label="Gaussian fitted")
    if log:
        ax.set_yscale("log")
        ax.set_ylim(0.4 / total, 1.0)
    ax.set_xlim(HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1])
    ax.set_xlabel("pre-activation (λ − mean)/sd; outermost bins: all beyond")
    ax.set_ylabel("share of samples in a quarter sd")
    ax.set_title(title)
    if legend:
        add_legend(ax)
    return ax


def plot_cavity_map(
    delta: Float[np.ndarray, " input"], geometry: Geometry, ax: Axes | None = None, *, title: str = ""
) -> Axes:
    """Draw what each weight of one unit adds to the unit's kurtosis, where the weight lies.

    Parameters
    ----------
    delta : numpy.ndarray of float, (geometry.num_inputs,)
        Δκ, as a row of ``cavity.delta_kurtosis``; 0 where there is no weight, NaN where undefined.
    geometry : Geometry
    ax : matplotlib.axes.Axes, optional
    title : str

    Returns
    -------
    matplotlib.axes.Axes
        Δκ summed over channels; vermilion raises κ, blue lowers it. A picture in two dimensions, a curve
        in one.

    Raises
    ------
    InputError
        If `delta` does not fit the geometry.
    """
    if delta.shape != (geometry.num_inputs,):
        raise InputError(f"delta has shape {delta.shape}; ({geometry.num_inputs},) fits the geometry")
    pixels = np.nansum(delta.reshape(geometry.shape), axis=0)
    ax = new_axes(ax, (3.0, 2.4))
    label = "Δκ of the weights on a pixel"
    if pixels.ndim == 1:
        ax.axhline(0, color=MUTED, lw=1, dashes=(6, 3))
        ax.plot(np.arange(len(pixels)), pixels, color="#0072b2", lw=1.2, drawstyle="steps-mid")
        ax.set_xlabel("pixel")
        ax.set_ylabel(label)
    else:
        present = pixels[pixels != 0]
        limit = _FULL_AT * float(np.sqrt((present**2).mean())) if len(present) else 1.0
        image = ax.imshow(pixels, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest")
        ax.grid(False)
        ax.tick_params(length=2, labelsize=7)
        ax.set_xlabel("pixel column")
        ax.set_ylabel("pixel row")
        colour_bar(ax, image, label)
    ax.set_title(title)
    return ax
