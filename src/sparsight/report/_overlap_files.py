"""Files on how alike masks are: a table of all pairs, figures, and what the report shows."""

from pathlib import Path

import pandas as pd

from sparsight.atomic import make_folder, write_atomically
from sparsight.errors import InputError
from sparsight.report._figure_files import save_panel
from sparsight.report._overlap_panels import mask_panels, similarity_panels
from sparsight.store import Run, overlap_intervals, write_overlap


def write_overlap_files(
    run: Run,
    overlaps: pd.DataFrame,
    similarities: pd.DataFrame | None,
    folder: str | Path,
    *,
    is_within: bool,
) -> list[Path]:
    """Write ``overlap.csv``, a PNG of every comparison and, if asked for, ``representations.csv``.

    Parameters
    ----------
    run : Run
        The run whose masks were compared.
    overlaps : pandas.DataFrame
        As from `sparsight.store.mask_overlaps`.
    similarities : pandas.DataFrame or None
        As from `sparsight.run.representation_similarities`.
    folder : str or Path
        Created if missing; files of the same names are replaced.
    is_within : bool
        Whether the masks are all of `run`: then its report shows them from now on.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    intervals = overlap_intervals(overlaps)
    tables = {"overlap.csv": overlaps} | (
        {} if similarities is None else {"representations.csv": similarities}
    )
    # A folder in the run may come with the run from somebody else; any other was named by the user.
    inside = run.path if folder.absolute().is_relative_to(run.path.absolute()) else folder
    written = []
    try:
        make_folder(folder, inside=inside)
        for name, table in tables.items():
            write_atomically(folder / name, table.to_csv(index=False).encode(), inside=inside)
            written.append(folder / name)
        panels = [*mask_panels(intervals), *([] if similarities is None else similarity_panels(similarities))]
        for panel in panels:
            path = folder / f"{panel.identifier}.png"
            save_panel(panel, path, "png", inside=inside)
            written.append(path)
        if is_within:
            write_overlap(run, intervals, similarities)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None
    return written
