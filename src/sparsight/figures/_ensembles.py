"""One quantity of ensembles over density: tickets beside copies, the dense ensemble and other conditions."""

import pandas as pd
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._axes import BY_REPLICATE, check_columns
from sparsight.figures._over_density import plot_over_density

_NEEDED = ("condition", "ensemble", "quantity", "level", "density", "mean", "low", "high")

ENSEMBLE_QUANTITIES = {
    "accuracy": "accuracy of the ensemble",
    "marginal_nll": "−log p of a label (nats)",
    "joint_nll": "−log p of ten labels together (nats)",
    "joint_gain": "10 × marginal − joint −log p (nats)",
    "ece": "expected calibration error",
    "disagreement": "pairs of members that disagree",
    "joint_beyond_matched": "joint −log p − that of the dense ensemble (nats)",
}
"""Quantities of ensembles that can be drawn, with the labels of their axes."""

_NULLS = {
    "joint_gain": "a single network",
    "disagreement": "a single network",
    "joint_beyond_matched": "dense, equal marginals",
}


def plot_ensembles(
    data: pd.DataFrame, ax: Axes | None = None, *, quantity: str = "joint_nll", legend: bool = True
) -> Axes:
    """Draw one quantity of the ensembles of each condition over density.

    Parameters
    ----------
    data : pandas.DataFrame
        As from `sparsight.run.ensembles`.
    quantity : str
        ``accuracy``, ``marginal_nll``, ``joint_nll``, ``joint_gain``, ``ece``, ``disagreement`` or
        ``joint_beyond_matched``.

    Returns
    -------
    matplotlib.axes.Axes
        As `plot_over_density` draws it: a line for the tickets of each condition and, of the first condition,
        for copies of one ticket, unless they are the dashed line by definition. Bands are the jackknife's
        95 % intervals over replicates.

    Raises
    ------
    InputError
        If a column is missing, or there is no such quantity.
    """
    check_columns(data, _NEEDED)
    if quantity not in ENSEMBLE_QUANTITIES:
        raise InputError(f"quantity is {quantity!r}; {', '.join(ENSEMBLE_QUANTITIES)} are allowed")
    chosen = data[data["quantity"] == quantity]
    if not len(chosen):
        raise InputError(f"data have no {quantity}; give the table of sparsight.run.ensembles")
    first = chosen["condition"].iloc[0]
    is_null = quantity in _NULLS
    is_ticket = chosen["ensemble"] == "tickets"
    is_copy = chosen["ensemble"] == "copies"
    beside = chosen[is_copy & (chosen["condition"] == first) & (not is_null)]
    # Conditions first, so that each has one colour in all figures.
    table = pd.concat([chosen[is_ticket], beside])
    names = [
        condition if ensemble == "tickets" else f"{condition}: copies of one"
        for condition, ensemble in zip(table["condition"], table["ensemble"], strict=True)
    ]
    return plot_over_density(
        table.assign(condition=names).drop(columns=BY_REPLICATE, errors="ignore"),
        ax,
        ylabel=ENSEMBLE_QUANTITIES[quantity],
        null=0.0 if is_null else None,
        null_label=_NULLS.get(quantity, ""),
        legend=legend,
    )
