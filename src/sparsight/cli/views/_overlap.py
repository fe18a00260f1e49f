"""Tables of ``sparsight overlap``."""

import pandas as pd
from rich.table import Table

from sparsight.store import intervals_by_level

_LEGEND = (
    "IoU: weights in both masks over weights in either. excess: IoU minus that of random masks, with its "
    "95 % interval over replicates (0: independent masks). fan-in: they keep each unit's number of weights; "
    "degrees: also each input's; matched: degrees, and units put into the order with the largest overlap, "
    "in the random masks as well. levels: the densest pruned level beside the last one."
)


def overlap_table(excess: pd.DataFrame, iou: pd.DataFrame) -> Table:
    """Return the overlaps at the last level of every comparison."""
    table = Table(title="Overlap of masks at the last level", caption=_LEGEND, box=None, padding=(0, 1))
    for heading in ("between", "", "layer", "density", "IoU", "excess: fan-in", "degrees", "matched"):
        table.add_column(heading, no_wrap=True)
    by = ["between", "condition", "other_condition", "layer"]
    for key, group in excess.groupby(by, sort=False):
        between, condition, other, layer = map(str, key)
        # Levels are compared with the last one: the first of them is farthest from it.
        level = group["level"].min() if between == "levels" else group["level"].max()
        here = group[group["level"] == level]
        same = (iou[by] == list(key)).all(axis=1) & (iou["level"] == level) & ~iou["matched"]
        density = f"{100 * here['density'].iloc[0]:.3g} %"
        table.add_row(
            between,
            condition if condition == other else f"{condition}, {other}",
            layer,
            density,
            f"{iou.loc[same, 'mean'].iloc[0]:.3f}",
            *(
                _in_words(here[(here["null"] == null) & (here["matched"] == matched)])
                for null, matched in (("fan_in", False), ("configuration", False), ("configuration", True))
            ),
        )
    return table


def similarity_table(similarities: pd.DataFrame) -> Table:
    """Return the CKA of the last level with the dense network, beside that of another seed."""
    table = Table(
        title="Representations at the last level",
        caption="CKA of a layer's pre-activations on test samples, with its 95 % interval over replicates: "
        "with the dense network of the same seed, and of two dense networks of different seeds.",
        box=None,
        padding=(0, 1),
    )
    for heading in ("condition", "layer", "density", "CKA with dense", "CKA of two seeds, dense"):
        table.add_column(heading, no_wrap=True)
    for layer in dict.fromkeys(similarities["layer"]):
        own = intervals_by_level(similarities, "cka_with_dense", layer)
        control = intervals_by_level(similarities, "cka_with_another_seed", layer)
        for condition in dict.fromkeys(own["condition"]):
            last = own[own["condition"] == condition].tail(1)
            density = f"{100 * last['density'].iloc[0]:.3g} %"
            beside = control[control["condition"] == condition]
            table.add_row(condition, layer, density, _in_words(last), _in_words(beside))
    return table


def _in_words(rows: pd.DataFrame) -> str:
    if not len(rows):
        return "–"
    row = rows.iloc[0]
    reach = f" [{row['low']:.3f}, {row['high']:.3f}]" if row["low"] == row["low"] else ""
    return f"{row['mean']:.3f}{reach}"
