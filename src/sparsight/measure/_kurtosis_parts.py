"""The two parts of a cavity effect: what a weight adds to the fourth cumulant, and to the variance."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sparsight.measure._cavity_effects import Cavity


@dataclass(frozen=True, eq=False, kw_only=True)
class KurtosisParts:
    """Two maps that add up to `Cavity.delta_kurtosis` exactly.

    Attributes
    ----------
    cumulant : numpy.ndarray of float64, (out, in)
        The part of Δκ that is due to the fourth cumulant.
    dilution : numpy.ndarray of float64, (out, in)
        The part that is due to the variance. A weight on an independent Gaussian input has this part alone.
    """

    cumulant: Float[np.ndarray, "out in"]
    dilution: Float[np.ndarray, "out in"]


def kurtosis_parts(found: Cavity) -> KurtosisParts:
    r"""Split Δκ of every weight into the effects of its fourth cumulant and of its variance.

    With :math:`\kappa = c_4/v^2`, where c₄ = m₄ − 3v² is the fourth cumulant and v the variance of the unit,
    and a minus sign for the unit without the weight,

    .. math::
        \kappa - \kappa_- =
        \underbrace{(c_4 - c_{4-}) \tfrac12 (v^{-2} + v_-^{-2})}_{\text{cumulant}} +
        \underbrace{(v^{-2} - v_-^{-2}) \tfrac12 (c_4 + c_{4-})}_{\text{dilution}}.

    The identity is exact. It is symmetric: each part is the mean of its values in the two orders in which
    cumulant and variance can be changed (Shapley's value), so exchanging the unit with and without the weight
    changes both signs. A weight on an independent Gaussian input adds no cumulant, but dilutes that of the
    others: Δκ counts that as an effect on non-Gaussianity, the cumulant part does not.

    Parameters
    ----------
    found : Cavity
        Result of `cavity`, or of one class from `each_class_then_all`.

    Returns
    -------
    KurtosisParts
        Both parts are 0 where there is nothing to remove, and NaN where `found` is.
    """
    delta, squared = found.delta_kurtosis, found.variance_ratio**2  # (v₋/v)²
    own = found.excess_kurtosis[:, None]
    without = own - delta
    # In units of v²: c₄ = κ and c₄₋ = κ₋ (v₋/v)².
    cumulant = (own - without * squared) * (1 + 1 / squared) / 2
    dilution = (own + without * squared) * (1 - 1 / squared) / 2
    # A unit without variance has no κ, but where it has no weight there is nothing to split.
    is_nothing = (delta == 0) & (found.variance_ratio == 1)
    return KurtosisParts(
        cumulant=np.where(is_nothing, 0.0, cumulant), dilution=np.where(is_nothing, 0.0, dilution)
    )
