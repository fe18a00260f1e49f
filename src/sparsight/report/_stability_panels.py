"""Panels of the line between two copies of every level, if the instrument ``stability`` has measured it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from sparsight.figures import plot_linear_paths
from sparsight.instruments import NETWORK
from sparsight.report._panels import Panel
from sparsight.report._subjects import Subject, Summaries

_ON_LINE = {"loss": "test loss", "accuracy": "test accuracy"}
_BARRIERS = {"loss": "stability.loss_barrier", "accuracy": "stability.error_barrier"}
"""Numbers that are there for each level whose line was measured."""
_WIDE = 100
"""Ratio of the largest loss to the smallest above which the axis is logarithmic."""

_HOW = (
    "On the straight line between the weights of two copies of each level, trained with other batches. One "
    "line per level, from dark to light with pruning; dashed: the dense network. A hump in the loss or a dip "
    "in the accuracy is a barrier; random pruning shows those of any masks of these sizes. Bands are "
    "Student's 95 % intervals over replicates, cut at the edge where they reach far beyond."
)


def stability_panels(summaries: Summaries) -> list[Panel]:
    """Return loss and accuracy on the line, a panel for each subject with the instrument, all on one scale.

    There are none where no condition has the instrument, or its copies diverged at all levels.
    """
    panels = []
    for name, words in _ON_LINE.items():
        paths = {each.name: _paths(summaries, each, name) for each in summaries.subjects.values()}
        is_log = name == "loss" and _is_wide([values for each in paths.values() for values in each.values()])
        drawn: dict[str, Axes] = {
            subject: plot_linear_paths(of_levels, ylabel=words, is_log=is_log)
            for subject, of_levels in paths.items()
            if of_levels
        }
        limits = [ax.get_ylim() for ax in drawn.values()]
        for subject_name, ax in drawn.items():
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
            title = f"{words[:1].upper()}{words[1:]} between two copies: {subject_name}"
            panels.append(Panel(f"stability-{name}-{subject_name}", title, ax, _HOW))
    return panels


def _is_wide(paths: Sequence[np.ndarray]) -> bool:
    """Return whether values above 0 differ so much in size that a linear axis would hide the smaller ones."""
    return bool(paths) and max(map(np.max, paths)) > _WIDE * min(map(np.min, paths)) > 0


def _paths(summaries: Summaries, subject: Subject, name: str) -> dict[int, np.ndarray]:
    """Return the values on the line by level, (replicates, points), of those that have any."""
    frame = summaries.frame
    measured = frame[
        (frame["condition"] == subject.name)
        & (frame["layer"] == NETWORK)
        & (frame["quantity"] == _BARRIERS[name])
        & frame["value"].notna()
    ]
    paths = {}
    for level in sorted(set(measured["level"].astype(int))):
        replicates = measured.loc[measured["level"] == level, "replicate"]
        found = [
            subject.run.measures(subject.condition, int(replicate), level)[NETWORK]
            for replicate in sorted(replicates)
        ]
        paths[level] = np.array([each[f"stability.{name}"].value for each in found], dtype=np.float64)
    return paths
