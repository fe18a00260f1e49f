"""Panels over training: what was measured at the steps of ``measure.at_steps`` within every level."""

from matplotlib.axes import Axes

from sparsight.figures import CATALOGUE, plot_over_training, words_of
from sparsight.instruments import NETWORK
from sparsight.report._panels import Panel
from sparsight.report._subjects import Summaries

_HOW = (
    "One line per level, from dark to light with pruning; bands are Student's 95 % intervals over "
    "replicates, cut at the edge where they reach far beyond."
)
_OF_PRUNING = (
    "Kept and pruned are, at every step, the weights that the level's pruning keeps and removes in the end."
)


def training_panels(summaries: Summaries) -> list[Panel]:
    """Return, for each quantity of `CATALOGUE.over_training`, one panel per subject, all on one scale.

    Layers are the first one alone. There are none where no run measured within levels.
    """
    layer = summaries.layers[0] if summaries.layers else NETWORK
    frames = {name: run.frame_over_training() for name, run in summaries.runs.items()}
    of_run = {id(run): frames[name] for name, run in summaries.runs.items()}
    panels = []
    for quantity in CATALOGUE.over_training:
        words = words_of(quantity)
        where = words.layer(layer)
        drawn: dict[str, Axes] = {}
        for name, subject in summaries.subjects.items():
            frame = of_run[id(subject.run)]
            rows = frame[
                (frame["condition"] == subject.condition)
                & (frame["quantity"] == quantity)
                & (frame["layer"] == where)
            ]
            if rows["value"].notna().any():
                drawn[name] = plot_over_training(rows, quantity=quantity)
        limits = [ax.get_ylim() for ax in drawn.values()]
        for name, ax in drawn.items():
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
            remark = _OF_PRUNING if quantity.startswith("cavity.") else ""
            caption = " ".join(part for part in (words.caption, _HOW, remark) if part)
            panels.append(Panel(f"training-{quantity}-{name}", f"{words.title}: {name}", ax, caption))
    return panels
