"""The cavity method: the contribution of each weight to the non-Gaussianity of its unit."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Integer, Shaped
from torch import Tensor

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity_effects import MAPS, Cavity, effects
from sparsight.measure._moments import dtype_named
from sparsight.measure._sample_blocks import Samples, class_members, read_once, sample_blocks
from sparsight.measure._scaled_layer import KeptWeights, kept_weights, scaled_layer

# The scale only has to be near the standard deviation (it is rounded to a power of two), so a few samples do.
_SAMPLES_FOR_SCALE = 256


@checked()
def cavity(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Samples,
    *,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    dtype: str = "float32",
) -> Cavity:
    """Compute the contribution of each weight of a layer to the non-Gaussianity of its unit.

    The pre-activation of unit k without input i is λ_k − W_ki h_i. With λ and h centred and
    m_ab = E[λ^a h^b],

        Var     = m20 − 2W m11 + W² m02
        third   = m30 − 3W m21 + 3W² m12 − W³ m03
        fourth  = m40 − 4W m31 + 6W² m22 − 4W³ m13 + W⁴ m04,

    so six matrix products give the effect of every weight of the layer, exactly, for the given samples.

    Parameters
    ----------
    weight : numpy.ndarray or Tensor of float, (out, in)
        As in ``torch.nn.Linear``, on any device. The bias is not needed: it only moves the mean.
    inputs : numpy.ndarray or Tensor, (n, in), or an iterable of such batches
        The layer's inputs h. In batches, their number does not affect the memory needed.
    mask : numpy.ndarray or Tensor of bool, (out, in), optional
        True = kept; weights elsewhere count as 0. Not needed if they are 0 already. Below a density of
        8 % only the effects of kept weights are computed.
    dtype : {"float32", "float64"}
        Precision of the matrix products.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, there are fewer than two samples, or values are not finite.

    Notes
    -----
    The paper (arXiv 2412.06545) also computes a cavity statistic, but we did not have its definition. This
    one is ours: biased sample moments, as scipy.stats.kurtosis and skew with ``bias=True``.

    *Undefined values.* The terms above cancel where one weight dominates its unit. Their rounding errors,
    about 10 ε of the largest term, then grow in κ as (Var/Var without)². A unit without the weight has a
    kurtosis only if its variance exceeds 300 √ε of Var + W² m02, where κ is still good to about 1e-3. This
    bound is 4e-6 in float64 and 0.1 in float32. A unit with a weight below it is computed again in float64,
    unless `inputs` is an iterator that can be read only once: then the entry is NaN. A unit has no variance
    if its standard deviation is below 10⁴ ε of √(Σ W² Var h), which is the size of rounding errors. An
    input is constant if its standard deviation is below 64 rounding errors of its mean; removing it changes
    nothing, so Δ = 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsight.measure import cavity
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
    # The first block is put back rather than read again: `inputs` may be an iterator.
    moments = layer.moments(itertools.chain([first], blocks))
    if moments.num_samples < 2:
        raise InputError("inputs hold 1 sample; at least 2 are needed")
    found, coarse = effects(layer, moments)
    return found if read_once(inputs) else _refined(found, coarse, kept, inputs)


@checked()
def each_class_then_all(
    weight: Shaped[np.ndarray | Tensor, "out in"],
    inputs: Shaped[np.ndarray | Tensor, "n in"],
    labels: Integer[np.ndarray | Tensor, " n"],
    *,
    num_classes: int | None = None,
    mask: Bool[np.ndarray | Tensor, "out in"] | None = None,
    dtype: str = "float32",
    min_samples: int = 2,
) -> Iterator[tuple[int | None, Cavity | None]]:
    """Yield the cavity effect within each class, then, under the label None, that of all samples together.

    Effects within a class are free of the mixture of classes. Labels are from 0 to `num_classes` − 1, by
    default the largest label. The values are those of `cavity`, for little more than the price of one: the
    moments of all samples are those of the classes, merged. Only one `Cavity` is in memory at a time.
    Classes with fewer than `min_samples` samples (2 or more) get None. Errors are those of `cavity`.
    """
    kept, precision = kept_weights(weight, mask), dtype_named(dtype)
    members = class_members(inputs, labels, num_classes)
    device = kept.weight.device
    first = next(sample_blocks(inputs[:_SAMPLES_FOR_SCALE], kept.shape[1], device))
    # One scale for all classes: only moments of the same scaled layer can be merged.
    layer = scaled_layer(kept, first, precision)
    # Small classes need no moments of their own, and there may be many of them: their samples go through the
    # matrix products together, in full blocks.
    small = [chosen for chosen in members if len(chosen) < max(2, min_samples)]
    of_small = np.sort(np.concatenate([np.empty(0, np.int64), *small]))
    pooled = layer.moments(sample_blocks(inputs, kept.shape[1], device, of_small))
    for label, chosen in enumerate(members):
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
    """Compute again in float64 the units whose indices among the kept ones are `coarse`.

    In float32 a weight that carries four fifths of its unit's variance is beyond the bound of `cavity`, which
    is common in units of few inputs. Repeating these units only is much cheaper than float64 throughout.
    """
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
