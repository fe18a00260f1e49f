"""Localisation in the claims: three numbers, their margins, and the density at which they are read.

``near`` counts neighbours, and waves over the whole image have as many neighbours as compact fields have. So
a claim is about the attained share of the possible neighbours, and about far pairs or the radius of gyration,
which say whether the envelope is narrower than chance.
"""

from dataclasses import replace

from sparsight.measure import FAR_MARGIN, RADIUS_MARGIN, SHARE_MARGIN
from sparsight.reproduce._claim import Prediction, Statistic
from sparsight.reproduce._statistics import at_density, beyond_chance, difference
from sparsight.reproduce._verdict import Expectation, Rule

SHARE, FAR, RADIUS = "locality.attained_share", "locality.far", "locality.radius_of_gyration"

FINAL_DENSITY = 0.047
"""Density at which the studies are compared: their last level at scale laptop, 0.6⁶."""

_TOLERANCE = 0.2
"""Relative: at scale paper, whose rounds remove 30 %, the nearest level has density 0.040."""

MARGINS = {SHARE: SHARE_MARGIN, FAR: round(1 - FAR_MARGIN, 6), RADIUS: round(1 - RADIUS_MARGIN, 6)}
"""Effects up to these sizes count as none."""

_SYMBOLS = {SHARE: "attained share", FAR: "far", RADIUS: "radius of gyration"}


def at_final_density(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the final density."""
    return at_density(quantity, condition, FINAL_DENSITY, _TOLERANCE)


def beyond_random_masks(quantity: str, condition: str) -> Statistic:
    """Return a statistic: the quantity at the final density minus its value in random masks (0 or 1)."""
    value = at_final_density(quantity, condition)
    return value if quantity == SHARE else beyond_chance(value)


def is_localised(
    quantity: str,
    study: str,
    condition: str,
    on: str,
    *,
    control: tuple[str, str],
    name: str = "",
    decisive: bool = True,
    robust: bool = False,
) -> Prediction:
    """Predict that a condition localises by one of the three numbers, beyond random masks.

    `on` says in words which condition it is; `control` names another condition, and says in words which.
    """
    sign = 1 if quantity == SHARE else -1
    return Prediction(
        name=name or f"{condition}_{_short(quantity)}",
        statement=f"{_number(quantity)} at density {FINAL_DENSITY:.1%}, {on}",
        study=study,
        statistic=beyond_random_masks(quantity, condition),
        rule=Rule("above" if sign > 0 else "below", sign * MARGINS[quantity]),
        control=beyond_random_masks(quantity, control[0]),
        control_statement=control[1],
        decisive=decisive,
        robust=robust,
    )


def is_not_localised(
    quantity: str,
    study: str,
    condition: str,
    on: str,
    *,
    control: tuple[str, str] | None = None,
    name: str = "",
    decisive: bool = True,
    robust: bool = False,
) -> Prediction:
    """Predict that a condition does not localise by one of the three numbers; arguments as `is_localised`."""
    predicted = is_localised(
        quantity,
        study,
        condition,
        on,
        control=control or (condition, ""),
        name=name,
        decisive=decisive,
        robust=robust,
    )
    return replace(
        predicted,
        rule=Rule("within", MARGINS[quantity]),
        control=predicted.control if control else None,
    )


def localises_more(
    quantity: str,
    study: str,
    pair: tuple[str, str],
    words: str,
    *,
    by_margin: bool = True,
    control: tuple[Statistic, str] | None = None,
    name: str = "",
    decisive: bool = True,
    robust: bool = False,
) -> Prediction:
    """Predict that the first condition of a pair localises more than the second, same seeds.

    By the margin, or, without `by_margin`, by any amount that is not practically none.
    """
    sign, margin = (1 if quantity == SHARE else -1), MARGINS[quantity]
    direction: Expectation = "above" if sign > 0 else "below"
    rule = Rule(direction, sign * margin) if by_margin else Rule(direction, 0.0, equivalence=margin)
    return Prediction(
        name=name or f"{pair[0]}_{_short(quantity)}",
        statement=f"{_SYMBOLS[quantity]} at density {FINAL_DENSITY:.1%}, {words}, same seeds",
        study=study,
        statistic=difference(*(beyond_random_masks(quantity, condition) for condition in pair)),
        rule=rule,
        control=control[0] if control else None,
        control_statement=control[1] if control else "",
        decisive=decisive,
        robust=robust,
    )


def localises_equally(
    quantity: str,
    study: str,
    pair: tuple[str, str],
    words: str,
    *,
    name: str = "",
    decisive: bool = True,
    robust: bool = False,
) -> Prediction:
    """Predict that two conditions localise equally, up to the margin, same seeds."""
    predicted = localises_more(quantity, study, pair, words, name=name, decisive=decisive, robust=robust)
    return replace(predicted, rule=Rule("within", MARGINS[quantity]))


def accuracy_difference(a: str, b: str) -> Statistic:
    """Return a statistic: test accuracy of a condition minus that of another, at the final density."""
    return difference(*(at_final_density("test_accuracy", condition) for condition in (a, b)))


def _short(quantity: str) -> str:
    return {SHARE: "share", FAR: "far", RADIUS: "radius"}[quantity]


def _number(quantity: str) -> str:
    return _SYMBOLS[quantity] if quantity == SHARE else f"{_SYMBOLS[quantity]} − 1"
