"""Distributions: how the weights that a level keeps are shared out among the layers."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from sparsight.errors import InputError

# Only exact numbers here. A level's masks are part of those of the level before, so no layer may ever gain
# weights while the network loses them, and a rounding error of a float could give one back.


def proportion(total: int, shares: Sequence[int], caps: Sequence[int]) -> Fraction:
    r"""Return the ε with :math:`\sum_l \min(\text{cap}_l, \varepsilon\,\text{share}_l) = \text{total}`.

    With the sums of the sides of the layers' weights as shares and their numbers of weights as caps, this is
    the scale of Erdős–Rényi–Kernel densities,

    .. math:: d_l = \min\Bigl(1, \varepsilon \frac{n_\text{in} + n_\text{out} + \dots}
        {n_\text{in}\, n_\text{out} \cdots}\Bigr),

    solved exactly: layers are filled in the order in which they become dense.

    Parameters
    ----------
    total : int
        From 0 to the sum of the caps.
    shares, caps : sequence of int
        Of each layer, above 0.

    Raises
    ------
    InputError
        If `total` is out of range.

    Notes
    -----
    Erdős–Rényi: Mocanu et al., Nature Communications 9, 2383 (2018), eq. 1. With the sides of kernels, and
    densities capped at 1: Evci et al., arXiv 1911.11134, section 3.
    """
    _check_total(total, caps)
    rest, of = total, sum(shares)
    for cap, share in sorted(zip(caps, shares, strict=True), key=lambda layer: Fraction(*layer)):
        if rest * share <= cap * of:  # the first layer that is not filled; those that follow are not either
            return Fraction(rest, of)
        rest, of = rest - cap, of - share
    return max(Fraction(cap, share) for cap, share in zip(caps, shares, strict=True))


def shared_out(total: int, shares: Sequence[int], caps: Sequence[int]) -> list[int]:
    """Share out a whole number in proportion to `shares`, with no more than its cap to any layer.

    The rule is that of Webster and Sainte-Laguë: each of `total` goes to the layer with the largest
    share / (2k + 1), where k is what it has so far (the first of several), unless it is full. So no layer
    loses when the total grows, and all add up to exactly the total; rounding each layer on its own, or by the
    largest remainders, lacks one of the two.

    Parameters
    ----------
    total, shares, caps
        As for `proportion`. A layer without a share gets nothing.

    Raises
    ------
    InputError
        If `total` is out of range.
    """
    _check_total(total, [cap for cap, share in zip(caps, shares, strict=True) if share])
    layers = [layer for layer, share in enumerate(shares) if share]
    if not layers:
        return [0] * len(shares)
    # All rounds of the rule but the last few at once: those that come before a threshold give each layer its
    # part of the proportion, rounded to the nearest, which adds at most half for each layer.
    begun = proportion(
        max(total - len(layers), 0), [shares[layer] for layer in layers], [caps[layer] for layer in layers]
    )
    given = [min(cap, int(begun * share + Fraction(1, 2))) for share, cap in zip(shares, caps, strict=True)]
    for _ in range(total - sum(given)):
        open_layers = [layer for layer in layers if given[layer] < caps[layer]]
        following = max(open_layers, key=lambda layer: Fraction(shares[layer], 2 * given[layer] + 1))
        given[following] += 1
    return given


def _check_total(total: int, caps: Sequence[int]) -> None:
    if not 0 <= total <= sum(caps):
        raise InputError(f"total is {total}; 0 to {sum(caps)} (all weights) is allowed")


def counts_of_table(
    densities: Mapping[str, float], layers: Sequence[str], sizes: Sequence[int]
) -> tuple[int, ...]:
    """Return the number of weights at the given density of each layer, rounded to the nearest.

    Raises
    ------
    InputError
        If a layer has no density, or a density is for a layer that is not pruned.
    """
    for name in densities:
        if name not in layers:
            raise InputError(
                f"pruning.distribution gives a density to {name!r}, which is no layer that is pruned: choose "
                f"from {', '.join(layers)}"
            )
    missing = [name for name in layers if name not in densities]
    if missing:
        raise InputError(
            f"pruning.distribution lacks {', '.join(missing)}: give a density to every layer that is pruned "
            "(1 keeps all of its weights)"
        )
    return tuple(
        int(Fraction(repr(float(densities[name]))) * size + Fraction(1, 2))
        for name, size in zip(layers, sizes, strict=True)
    )
