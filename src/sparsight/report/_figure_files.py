"""Figure files: every panel of a run in SVG, PDF and PNG, for papers and talks."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from sparsight.atomic import make_folder, write_atomically
from sparsight.errors import InputError
from sparsight.report._equal_accuracy_panels import equal_accuracy_panels
from sparsight.report._evidence import gather
from sparsight.report._findings import findings
from sparsight.report._overlap_panels import overlap_panels
from sparsight.report._panels import (
    Panel,
    cavity_panels,
    connection_panels,
    control_panels,
    curve_panels,
    difference_panels,
    field_panels,
    level_panels,
    locality_panels,
    unit_panels,
)
from sparsight.report._stability_panels import stability_panels
from sparsight.report._subjects import Summaries, check_distinct, run_around
from sparsight.report._training_panels import training_panels
from sparsight.report._transfer_panels import transfer_panels
from sparsight.store import Run

_FORMATS = ("svg", "pdf", "png")
_DOTS_PER_INCH = 200
# Without dates, the same run gives the same bytes.
_METADATA: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def write_figures(
    run: Run | Sequence[Run], folder: str | Path, formats: Sequence[str] = _FORMATS
) -> list[Path]:
    """Write every panel of a run, or of several side by side, and their captions into ``captions.md``.

    Parameters
    ----------
    run : Run or sequence of Run
        Runs in the order of the report, with at least one level; the others are compared with the first.
    folder : str or Path
        Created if missing; files of the same names are replaced.
    formats : sequence of {"svg", "pdf", "png"}
        File types to write of every panel.

    Returns
    -------
    list of Path
        The figures, in the order of the report.

    Raises
    ------
    InputError
        If a format is unknown, no run is given, one is given twice, none has a level, or the folder cannot be
        written.
    """
    folder = Path(folder)
    unknown = [name for name in formats if name not in _FORMATS]
    if unknown or not formats:
        raise InputError(f"format is {', '.join(unknown) or 'empty'}; {', '.join(_FORMATS)} are allowed")
    runs = [run] if isinstance(run, Run) else list(run)
    check_distinct(runs)
    summaries = Summaries(*runs)
    if not summaries.conditions:
        raise InputError(f"{', '.join(str(each.path) for each in runs)} has no level yet; run it first")
    # A folder in a run may come with the run from somebody else; any other was named by the user.
    inside = run_around(folder, runs) or folder
    recipes = ", ".join(f"{each.recipe.name}, recipe {each.recipe.digest()[:8]}" for each in runs)
    written, captions = [], [f"# Figures of {recipes}\n"]
    try:
        make_folder(folder, inside=inside)
        for panel in panels_of(summaries):
            for name in formats:
                path = folder / f"{panel.identifier}.{name}"
                save_panel(panel, path, name, inside=inside)
                written.append(path)
            captions.append(f"- `{panel.identifier}`: **{panel.title}.** {panel.caption}")
        write_atomically(folder / "captions.md", ("\n".join(captions) + "\n").encode(), inside=inside)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None
    return written


def panels_of(summaries: Summaries) -> Iterator[Panel]:
    """Yield every panel of the report in its order, each with its own legend."""
    levels = summaries.compared_levels()
    for place, layer in enumerate(summaries.layers):
        yield from curve_panels(summaries, layer, with_network=place == 0, legend=True)
        for family in control_panels(summaries, layer, with_network=place == 0):
            yield from family
    yield from equal_accuracy_panels(summaries, legend=True)
    first_layer = summaries.layers[0]
    yield from difference_panels(findings(summaries, first_layer), summaries.conditions)
    gathered = [gather(subject, first_layer, levels[name]) for name, subject in summaries.subjects.items()]
    for evidence in gathered:
        yield from field_panels(evidence)
        yield from unit_panels(evidence)
        yield from locality_panels(evidence)
        yield from level_panels(evidence)
    yield from cavity_panels(gathered)
    yield from connection_panels(gathered)
    yield from stability_panels(summaries)
    yield from overlap_panels(summaries)
    yield from transfer_panels(summaries)
    yield from training_panels(summaries)


def save_panel(panel: Panel, path: Path, name: str, *, inside: Path) -> None:
    """Write a panel in one format; `inside` as in `write_atomically`."""
    write_atomically(path, _drawn(panel, name), inside=inside)


def _drawn(panel: Panel, name: str) -> bytes:
    file = io.BytesIO()
    figure = panel.ax.get_figure()
    assert isinstance(figure, Figure)
    # Type 42 keeps text as text in a PDF. The salt makes the ids in an SVG the same at every writing.
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": panel.identifier}):
        figure.savefig(
            file,
            format=name,
            dpi=_DOTS_PER_INCH,
            bbox_inches="tight",
            pad_inches=0.04,
            metadata=_METADATA[name],
        )
    return file.getvalue()
