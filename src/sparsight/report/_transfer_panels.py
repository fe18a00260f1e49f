"""Panels on the transfer of masks: matrices over where masks were found and what is trained with them."""

from sparsight.figures import CATALOGUE, plot_transfer, words_of
from sparsight.instruments import NETWORK
from sparsight.report._panels import Panel
from sparsight.report._subjects import Summaries
from sparsight.report._transfer import RANDOM, transfer_of

_MATRIX = (
    "A row is where masks were found, a column what is trained with them, with a frame where both are one. "
    "Upper number: the mean over replicates; lower number and colour: the difference to the column's own "
    "masks, paired by seed where seeds are shared; ±: half of Student's 95 % interval."
)
_OF_MASK_ALONE = (
    "It is a number of the mask alone: a row changes over its columns only with the seeds and the geometry."
)
_CONTROL = "The row random is random pruning, the control."
_NO_CONTROL = (
    "No condition prunes at random here, so that the matrix cannot tell a mask that fits its data from any "
    "mask of the density."
)


def transfer_panels(summaries: Summaries) -> list[Panel]:
    """Return a matrix of each quantity of `CATALOGUE.transfer`; none if no masks went to other data.

    Layers are the first one alone. There is no matrix before the first round of pruning either.
    """
    panels = []
    for quantity in CATALOGUE.transfer:
        words = words_of(quantity)
        layer = summaries.layers[0] if summaries.layers else NETWORK
        table = transfer_of(summaries, quantity, layer)
        if not len(table) or not table["mean"].notna().any() or (table["density"] == 1).all():
            continue
        has_control = bool((table["source"] == RANDOM).any())
        parts = [words.caption, _MATRIX, _densities(table["density"].min(), table["density"].max())]
        parts += [_OF_MASK_ALONE] if quantity == "locality.attained_share" else []
        parts.append(_CONTROL if has_control else _NO_CONTROL)
        panels.append(
            Panel(
                f"transfer-{quantity}",
                f"Transfer of masks: {words.title[:1].lower()}{words.title[1:]}",
                plot_transfer(table, label=words.label),
                " ".join(part for part in parts if part),
            )
        )
    return panels


def _densities(lowest: float, highest: float) -> str:
    if highest < 1.02 * lowest:
        return f"All at density {100 * lowest:.3g} %."
    return f"Densities are between {100 * lowest:.3g} and {100 * highest:.3g} %."
