"""Files on ensembles of tickets: the table, and a figure of each quantity."""

from pathlib import Path

import pandas as pd

from sparsight.atomic import make_folder, write_atomically
from sparsight.errors import InputError
from sparsight.figures import ENSEMBLE_QUANTITIES, plot_ensembles
from sparsight.report._figure_files import save_panel
from sparsight.report._panels import Panel
from sparsight.store import Run

_CAPTION = (
    "Ensembles of {size} replicates, mean over all subsets; bands are the jackknife's 95 % intervals over "
    "replicates, and cover other initial weights and batches, but no other data."
)


def write_ensemble_files(run: Run, table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write ``ensemble.csv`` and a PNG of every quantity, and return their paths.

    Parameters
    ----------
    run : Run
        The run whose replicates are the members.
    table : pandas.DataFrame
        As from `sparsight.run.ensembles`.
    folder : str or Path
        Created if missing; files of the same names are replaced.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    # A folder in the run may come with the run from somebody else; any other was named by the user.
    inside = run.path if folder.absolute().is_relative_to(run.path.absolute()) else folder
    written = [folder / "ensemble.csv"]
    try:
        make_folder(folder, inside=inside)
        write_atomically(written[0], table.to_csv(index=False).encode(), inside=inside)
        for quantity in ENSEMBLE_QUANTITIES:
            path = folder / f"{quantity}.png"
            caption = _CAPTION.format(size=table["size"].iloc[0])
            panel = Panel(quantity, quantity, plot_ensembles(table, quantity=quantity), caption)
            save_panel(panel, path, "png", inside=inside)
            written.append(path)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None
    return written
