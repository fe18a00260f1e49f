"""A sweep opened for reading: one tidy frame, and labelled arrays with every varied field as a coordinate."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.store import Run
from sparsight.sweep._directory import SweepDirectory

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet calculates when it opens a file of text."""

_INDEX = ["case", "condition", "replicate", "level"]


class Sweep:
    """A sweep on disk, for reading.

    Attributes
    ----------
    fields : list of str
        Dotted names of the varied fields, such as ``pruning.rate``.
    """

    def __init__(self, directory: SweepDirectory) -> None:
        self.directory = directory
        self.path = directory.path
        self.fields: list[str] = list(directory.manifest()["fields"])

    def runs(self) -> dict[str, Run]:
        """Return every case as an ordinary run, by the name of its folder."""
        return {case.name: Run(case.directory) for case in self.directory.cases()}

    def values(self) -> pd.DataFrame:
        """Return the values of the varied fields, one row per case; lists and tables are JSON text."""
        cases = self.directory.cases()
        rows = [{field: _scalar(case.values[field]) for field in self.fields} for case in cases]
        return pd.DataFrame(
            rows, index=pd.Index([case.name for case in cases], name="case"), columns=self.fields
        )

    def frame(self) -> pd.DataFrame:
        """Return every summary of every case as one tidy table.

        Returns
        -------
        pandas.DataFrame
            One row per number: ``case``, a column for each varied field, and the columns of ``Run.frame``.
        """
        values = self.values().reset_index()
        frames = {name: run.frame() for name, run in self.runs().items()}
        # The columns of an empty frame have no type and would spoil those of the others. If all are empty,
        # keep one of them for its columns.
        numbers = pd.concat(
            [frame.assign(case=name) for name, frame in frames.items() if len(frame)]
            or [frame.assign(case=name) for name, frame in frames.items()][:1]
        )
        return values.merge(numbers, on="case")

    def dataset(self, layer: str | None = None) -> xr.Dataset:
        """Return the quantities of one layer, and of the whole network, as labelled arrays.

        Parameters
        ----------
        layer : str, optional
            Name of the layer. Default: the first that was measured.

        Returns
        -------
        xarray.Dataset
            Dimensions ``case``, ``condition``, ``replicate``, ``level`` and those of each quantity; every
            varied field is a coordinate along ``case``. NaN where something does not exist (yet), also where
            the layers of different cases differ in size. To turn every field into a dimension of its own, use
            ``dataset.set_index(case=sweep.fields).unstack("case")``.

        Raises
        ------
        InputError
            If no level is stored yet, or this layer was not measured.
        """
        runs = {name: run for name, run in self.runs().items() if run.layers()}
        if not runs:
            raise InputError(f"{self.path} holds no level yet; run the sweep first")
        arrays = [_with_labels(run.dataset(layer)) for run in runs.values()]
        measured = xr.concat(
            arrays, pd.Index(list(runs), name="case"), join="outer", combine_attrs="drop_conflicts"
        )
        whole = self._whole_network(list(runs))
        values = self.values().loc[list(runs)]
        coordinates = {field: ("case", values[field].to_numpy()) for field in self.fields}
        return xr.merge([measured, whole], join="outer", combine_attrs="override").assign_coords(coordinates)

    def _whole_network(self, cases: list[str]) -> xr.Dataset:
        frame = self.frame()
        chosen = frame[(frame["layer"] == NETWORK) & frame["case"].isin(cases)]
        table = chosen.pivot_table(index=_INDEX, columns="quantity", values="value", sort=False)
        density = chosen.groupby(_INDEX, sort=False)["density"].first()
        return xr.Dataset.from_dataframe(table.assign(density=density).rename_axis(columns=None))


def open_sweep(path: str | Path) -> Sweep:
    """Open the folder of a sweep for reading.

    Raises
    ------
    InputError
        If there is no sweep at that path.
    """
    return Sweep(SweepDirectory.open(path))


def write_results(sweep: Sweep) -> Path:
    """Write every summary of every case into ``results.csv`` in the folder of the sweep, whole or not at all.

    The columns are those of `Sweep.frame`. A text that a spreadsheet would take for a formula, because it
    begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, gets an apostrophe before it. Numbers
    stay numbers, negative ones as well.

    Returns
    -------
    Path
        The file.
    """
    frame = sweep.frame()
    is_text = [not pd.api.types.is_numeric_dtype(frame[column]) for column in frame]
    for column in frame.columns[is_text]:
        frame[column] = frame[column].map(_as_text_in_a_spreadsheet)
    frame.columns = frame.columns.map(_as_text_in_a_spreadsheet)
    path = sweep.path / "results.csv"
    write_atomically(path, frame.to_csv(index=False).encode(), inside=sweep.path)
    return path


def _as_text_in_a_spreadsheet(value: Any) -> Any:
    """Return a cell unchanged unless it is text that a spreadsheet would calculate."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value  # "-0.5" is a number in every program


def _with_labels(arrays: xr.Dataset) -> xr.Dataset:
    """Give numbers to the units, classes, … of a case: xarray aligns cases of different sizes by them."""
    unlabelled = [str(name) for name in arrays.dims if name not in arrays.coords]
    return arrays.assign_coords({name: range(arrays.sizes[name]) for name in unlabelled})


def _scalar(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)
