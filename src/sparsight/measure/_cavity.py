"""The cavity method: what each weight adds to the non-Gaussianity of its unit."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity_effects import MAPS, Cavity, effects, undefined
from sparsight.measure._moments import dtype_named
from sparsight.measure._sample_blocks import Samples, read_once, sample_blocks
from sparsight.measure._scaled_layer import KeptWeights, kept_weights, scaled_layer

__all__ = ["Cavity", "cavity", "cavity_by_class", "each_class_then_all"]

_SAMPLES_FOR_SCALE = 256  # of which only the power of two of each sd is used


@checked(weight="numbers out in", mask="bool out in", inputs="batches numbers n in")
def cavity(
    weight: np.ndarray | Tensor,
    inputs: Samples,
    *,
    mask: np.ndarray | Tensor | None = None,
    dtype: str = "float32",
) -> Cavity:
    """Compute what each weight of a layer adds to the non-Gaussianity of its unit.

    The pre-activation of unit k without input i is λ_k − W_ki h_i. With λ and h centred and
    m_ab = E[λ^a h^b],

        Var     = m20 − 2W m11 + W² m02
        third   = m30 − 3W m21 + 3W² m12 − W³ m03
        fourth  = m40 − 4W m31 + 6W² m22 − 4W³ m13 + W⁴ m04,

    so that six matrix products give every weight of the layer, exactly, for the samples given.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``, on any device. The bias moves the mean only and is not asked for.
    inputs : numpy.ndarray or Tensor, (n, in), or an iterable of such batches
        The layer's inputs h. Memory does not grow with their number if they come in batches.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0. Not needed if they are 0 already. Below a density of
        8 % only kept weights are computed.
    dtype : {"float32", "float64"}
        Of the matrix products.

    Returns
    -------
    Cavity

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, there are fewer than two samples, or values are not finite.

    Notes
    -----
    The paper (arXiv 2412.06545) computes a cavity statistic, too; its definition was not at hand and this
    one is ours: biased sample moments, as scipy.stats.kurtosis and skew with ``bias=True``.

    *Undefined.* The terms above cancel where one weight carries its unit: their rounding errors, of some
    10 ε of the largest term, grow as (Var/Var without)² in κ. Without the weight a unit has a kurtosis if
    its variance is above 300 √ε of Var + W² m02, where κ is still good to about 1e-3: 4e-6 in float64. In
    float32 that is 0.1; a unit with a weight below it is computed again in float64, unless `inputs` is an
    iterator that can be read only once: then the entry is NaN. A unit has no variance if its sd is below
    10⁴ ε of √(Σ W² Var h), which is rounding. An input is constant if its sd is below 64 roundings of its
    mean; removing it changes nothing, Δ = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsight.measure._cavity import cavity
    >>> rng = np.random.default_rng(0)
    >>> inputs = np.stack([rng.laplace(size=5000), rng.uniform(-1, 1, 5000)], axis=1)
    >>> cavity(np.array([[1.0, 2.0]]), inputs).delta_kurtosis.round(1)  # heavy tails raise κ, flat lower it
    array([[ 2. , -2.2]])
    """
    kept, precision = kept_weights(weight, mask), dtype_named(dtype)
    blocks = sample_blocks(inputs, kept.shape[1], kept.weight.device)
    first = next(blocks, None)
    if first is None:
        raise InputError("inputs hold no sample; at least 2 are needed")
    layer = scaled_layer(kept, first[:_SAMPLES_FOR_SCALE], precision)
    moments = layer.moments(itertools.chain([first], blocks))
    if moments.num_samples < 2:
        raise InputError("inputs hold 1 sample; at least 2 are needed")
    found, coarse = effects(layer, moments)
    return found if read_once(inputs) else _refined(found, coarse, kept, inputs)


@checked(weight="numbers out in", mask="bool out in", inputs="numbers n in", labels="whole n")
def cavity_by_class(
    weight: np.ndarray | Tensor,
    inputs: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    *,
    num_classes: int | None = None,
    mask: np.ndarray | Tensor | None = None,
    dtype: str = "float32",
) -> dict[int, Cavity]:
    """Compute the cavity effect within each class: no mixture of classes enters.

    Parameters
    ----------
    weight, mask, dtype
        As in `cavity`.
    inputs : numpy.ndarray or Tensor, (n, in)
    labels : numpy.ndarray or Tensor of int, (n,)
        0 … `num_classes` − 1.
    num_classes : int, optional
        The largest label + 1 if not given.

    Returns
    -------
    dict of int to Cavity
        For every class. One with fewer than two samples has NaN at every weight (and counts them).

    Raises
    ------
    InputError
        As `cavity`; or if labels are not integers of that shape and range.
    """
    kept = kept_weights(weight, mask)
    each = each_class_then_all(weight, inputs, labels, num_classes=num_classes, mask=mask, dtype=dtype)
    return {label: found or undefined(kept) for label, found in each if label is not None}


@checked(weight="numbers out in", mask="bool out in", inputs="numbers n in", labels="whole n")
def each_class_then_all(
    weight: np.ndarray | Tensor,
    inputs: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    *,
    num_classes: int | None = None,
    mask: np.ndarray | Tensor | None = None,
    dtype: str = "float32",
    min_samples: int = 2,
) -> Iterator[tuple[int | None, Cavity | None]]:
    """Yield the cavity effect within each class, then, under None, of all samples together.

    As `cavity_by_class` and `cavity`, for little more than the price of one: the moments of all samples are
    those of the classes, merged. One `Cavity` is held at a time. Classes with fewer than `min_samples`
    (at least 2) samples have None.
    """
    kept, precision = kept_weights(weight, mask), dtype_named(dtype)
    classes = _checked_labels(inputs, labels, num_classes)
    device = kept.weight.device
    first = next(sample_blocks(inputs[:_SAMPLES_FOR_SCALE], kept.shape[1], device))
    layer = scaled_layer(kept, first, precision)
    small = [chosen for chosen in classes if len(chosen) < max(2, min_samples)]
    of_small = np.sort(np.concatenate([np.empty(0, np.int64), *small]))  # together: there may be many
    pooled = layer.moments(sample_blocks(inputs, kept.shape[1], device, of_small))
    for label, chosen in enumerate(classes):
        if len(chosen) < max(2, min_samples):
            yield label, None
            continue
        moments = layer.moments(sample_blocks(inputs, kept.shape[1], device, chosen))
        pooled.merge_(moments)
        found, coarse = effects(layer, moments)
        yield label, _refined(found, coarse, kept, inputs, chosen)
    found, coarse = effects(layer, pooled)
    yield None, _refined(found, coarse, kept, inputs)


def _refined(
    found: Cavity, coarse: Tensor, kept: KeptWeights, inputs: Samples, chosen: np.ndarray | None = None
) -> Cavity:
    """Compute some units, `coarse` among the kept, again in float64."""
    if not len(coarse):
        return found
    weight = kept.weight.new_zeros(len(coarse), kept.shape[1])
    weight[:, kept.columns] = kept.weight[coarse]
    few = kept_weights(weight, None)
    device = kept.weight.device
    sample = next(sample_blocks(inputs, kept.shape[1], device, chosen))[:_SAMPLES_FOR_SCALE]
    layer = scaled_layer(few, sample, torch.float64)
    finer, _ = effects(layer, layer.moments(sample_blocks(inputs, kept.shape[1], device, chosen)))
    rows = kept.rows[coarse].cpu().numpy()
    improved = {}
    for name in (*MAPS, "excess_kurtosis", "skewness"):
        values = getattr(found, name)
        values[rows] = getattr(finer, name)
        improved[name] = values
    return replace(found, **improved, num_undefined=int(np.isnan(found.delta_kurtosis).sum()))


def _checked_labels(
    inputs: np.ndarray | Tensor, labels: np.ndarray | Tensor, num_classes: int | None
) -> list[np.ndarray]:
    """Return which samples each class has."""
    if inputs.ndim != 2 or len(inputs) < 2:
        raise InputError(f"inputs have shape {tuple(inputs.shape)}; (n, in) with n at least 2 is needed")
    found = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if found.shape != (len(inputs),) or found.dtype.kind not in "iu":
        raise InputError(
            f"labels are {found.dtype} of shape {found.shape}; integers of shape ({len(inputs)},) are needed"
        )
    least, greatest = int(found.min()), int(found.max())
    if least < 0 or (num_classes is not None and greatest >= num_classes):
        raise InputError(
            f"labels range from {least} to {greatest}; 0 to num_classes - 1 is allowed"
            + ("" if num_classes is None else f", and num_classes is {num_classes}")
        )
    return [np.flatnonzero(found == label) for label in range(num_classes or greatest + 1)]
