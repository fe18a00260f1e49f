"""A run opened for reading: a tidy frame of numbers, labelled arrays, and every level."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.instruments import NETWORK, Quantity
from sparsight.recipe import Recipe
from sparsight.store._level_record import LevelRecord
from sparsight.store._records_read_once import RecordsReadOnce
from sparsight.store._run_directory import TASK, RunDirectory
from sparsight.store._run_state import run_state

if TYPE_CHECKING:
    import xarray as xr

    from sparsight.data import Task
    from sparsight.measure import CavityChange
    from sparsight.prune import Snapshots
    from sparsight.store._level_files import StoredLevel

# What reads arrays is imported where it is needed: numbers are shown without torch and xarray.


@dataclass(frozen=True, eq=False)
class _StoredCavity:
    """Effects of the weights of one level, as stored; shapes as in `sparsight.measure.Cavity`."""

    delta_kurtosis: np.ndarray
    delta_abs_kurtosis: np.ndarray
    excess_kurtosis: np.ndarray


class Run:
    """A run on disk, for reading."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.path: Path = directory.path
        self.recipe: Recipe = directory.recipe

    def __repr__(self) -> str:
        state = run_state(self.directory)
        levels = sum(each.num_levels for each in state.replicates)
        conditions = ", ".join(self.recipe.condition_names())
        return (
            f"<run {self.recipe.name} in {self.path}: {conditions}; {self.recipe.replicates} replicates, "
            f"{levels} levels, {state.state}>"
        )

    def _repr_html_(self) -> str:
        """Return HTML for a notebook: the question, and a row for every replicate of every condition."""
        state = run_state(self.directory)
        rows = [
            (
                each.condition,
                each.replicate,
                f"{each.num_levels} of {each.levels_expected or '?'}",
                np.nan if each.last_density is None else 100 * each.last_density,
                np.nan if each.last_accuracy is None else each.last_accuracy,
                each.failure or ("finished" if each.is_finished else ""),
            )
            for each in state.replicates
        ]
        columns = ["condition", "replicate", "levels", "density", "test accuracy", ""]
        table = pd.DataFrame(rows, columns=columns).to_html(
            index=False,
            border=0,
            na_rep="–",
            formatters={"density": "{:.2f} %".format, "test accuracy": "{:.3f}".format},
        )
        report = self.directory.report
        written = f"<code>{html.escape(str(report))}</code>" if report.is_file() else "not written yet"
        return (
            f"<p><b>{html.escape(self.recipe.name)}</b>: {html.escape(self.recipe.question)}</p>"
            f"<p><code>{html.escape(str(self.path))}</code>, {state.state}</p>{table}<p>report: {written}</p>"
        )

    def at_one_moment(self) -> "Run":
        """Return the run as it is when its records are first read; levels stored later are not in it.

        For what reads the same records many times, and must not disagree with itself while the run goes on.
        """
        if isinstance(self.directory, RecordsReadOnce):
            return self
        return Run(RecordsReadOnce(self.path, self.recipe))

    def frame(self) -> pd.DataFrame:
        """Return every number of every level as one tidy table.

        Returns
        -------
        pandas.DataFrame
            One row per number, with columns ``condition``, ``replicate``, ``level``, ``density``,
            ``layer`` (``network`` for the whole network), ``quantity`` (``test_accuracy``,
            ``<instrument>.<quantity>``, …) and ``value`` (float64).
        """
        rows = [
            (*each, record.index, record.density, *number)
            for each in self.directory.replicates()
            for record in self.directory.records(*each)
            for number in _numbers(record)
        ]
        columns = ["condition", "replicate", "level", "density", "layer", "quantity", "value"]
        return pd.DataFrame(rows, columns=columns)

    def frame_over_training(self) -> pd.DataFrame:
        """Return every number that was measured at the steps of ``measure.at_steps``, as one tidy table.

        `frame` holds the ends of levels alone, and none of these.

        Returns
        -------
        pandas.DataFrame
            One row per number, with the columns of `frame` and, after ``level``, the column ``step``: steps
            that the level had taken. Step 0 is the network with which the level's training began; the last is
            the network of `frame`. Kept and pruned weights are, at every step, those that the level's pruning
            keeps and removes in the end. Empty without such steps.
        """
        rows = [
            (*each, record.index, int(step), record.density, layer, name, np.nan if value is None else value)
            for each in self.directory.replicates()
            for record in self.directory.records(*each)
            for step, layers in record.snapshots.items()
            for layer, numbers in layers.items()
            for name, value in numbers.items()
        ]
        columns = ["condition", "replicate", "level", "step", "density", "layer", "quantity", "value"]
        return pd.DataFrame(rows, columns=columns)

    def snapshots(self, condition: str, replicate: int, index: int) -> "Snapshots":
        """Read the states of one level at the steps of ``measure.at_steps``, with dense weights.

        Returns
        -------
        dict of int to dict of str to Tensor
            State dicts by the number of steps that the level had taken; empty without such steps.

        Raises
        ------
        InputError
            If the level does not exist or is damaged.
        """
        from sparsight.store._level_files import read_snapshots

        return read_snapshots(self.directory.level(condition, replicate, index))

    def layers(self) -> list[str]:
        """Return the names of the layers that were measured."""
        for condition, replicate in self.directory.replicates():
            if self.directory.num_levels(condition, replicate):
                measured = self.directory.record(condition, replicate, 0).measures
                return [layer for layer in measured if layer != NETWORK]
        return []

    def dataset(self, layer: str | None = None, *, maps: bool = False) -> "xr.Dataset":
        """Return what the instruments found in one layer, as labelled arrays.

        Parameters
        ----------
        layer : str, optional
            Name of a measured layer. Default: the first.
        maps : bool
            Include per-weight maps with dimensions (unit, input), which are large.

        Returns
        -------
        xarray.Dataset
            Dimensions ``condition``, ``replicate``, ``level`` and those of each quantity (``unit``,
            ``class``, …). NaN where a level does not exist. Every variable has the attributes ``definition``
            and ``units``.

        Raises
        ------
        InputError
            If no level is stored yet, or no such layer was measured.
        """
        import xarray as xr

        layer = self._layer(layer)
        stored = {
            (*each, index): self.measures(*each, index)[layer]
            for each in self.directory.replicates()
            for index in range(self.directory.num_levels(*each))
        }
        num_levels = 1 + max(index for _, _, index in stored)
        outer = (self.recipe.condition_names(), range(self.recipe.replicates), range(num_levels))
        shapes: dict[str, Quantity] = {}
        for quantities in stored.values():
            shapes |= {
                name: quantity
                for name, quantity in quantities.items()
                if maps or quantity.dims != ("unit", "input")
            }
        variables = {}
        for name, like in shapes.items():
            values = np.full((*map(len, outer), *np.shape(like.value)), np.nan)
            for (condition, replicate, index), quantities in stored.items():
                # Conditions may have other instruments, or layers of another size: NaN there.
                if name in quantities and np.shape(quantities[name].value) == np.shape(like.value):
                    values[outer[0].index(condition), replicate, index] = quantities[name].value
            dims = ("condition", "replicate", "level", *like.dims)
            variables[name] = (dims, values, {"definition": like.definition, "units": like.unit})
        coordinates = dict(zip(("condition", "replicate", "level"), map(list, outer), strict=True))
        return xr.Dataset(variables, coords=coordinates, attrs={"layer": layer, "recipe": self.recipe.name})

    def level(self, condition: str, replicate: int, index: int) -> "StoredLevel":
        """Read one level: dense weights, masks, and its record with the training curve.

        Raises
        ------
        InputError
            If it does not exist or is damaged.
        """
        from sparsight.store._level_files import read_level

        record = self.directory.record(condition, replicate, index)
        return read_level(self.directory.level(condition, replicate, index), record)

    def measures(self, condition: str, replicate: int, index: int) -> dict[str, dict[str, Quantity]]:
        """Read everything that the instruments found at one level, by layer and quantity."""
        from sparsight.store._level_files import read_measures

        record = self.directory.record(condition, replicate, index)
        return read_measures(self.directory.level(condition, replicate, index), record)

    def cavity_after_retraining(
        self, condition: str, replicate: int, index: int, layer: str | None = None
    ) -> "CavityChange":
        """Return how pruning and retraining between two levels changed the effects of the kept weights.

        Parameters
        ----------
        replicate, index : int
            Levels `index` and `index` + 1 are compared: later minus earlier, for the same units and weights,
            on the same held-out samples.
        layer : str, optional
            Name of a measured layer. Default: the first.

        Raises
        ------
        InputError
            If one of the two levels does not exist, or the instrument ``cavity`` has not measured it.
        """
        from sparsight.measure import cavity_change

        layer = self._layer(layer)
        before, after = (self._cavity(condition, replicate, each, layer) for each in (index, index + 1))
        earlier, later = (self.level(condition, replicate, each) for each in (index, index + 1))
        # Regrowth may have dropped some of the weights that pruning kept, and grown others.
        kept = earlier.next_masks[f"{layer}.weight"] & later.masks[f"{layer}.weight"]
        return cavity_change(before, after, kept.cpu().numpy())

    def _cavity(self, condition: str, replicate: int, index: int, layer: str) -> "_StoredCavity":
        found = self.measures(condition, replicate, index)[layer]
        names = ("delta_kurtosis", "delta_abs_kurtosis", "excess_kurtosis_per_unit")
        missing = [name for name in names if f"cavity.{name}" not in found]
        if missing:
            raise InputError(
                f"{self.path}: level {index} of {condition} has no cavity.{missing[0]} of {layer}; "
                f"sparsight measure {self.path} --instruments cavity adds it"
            )
        kurtosis, absolute, of_unit = (
            np.asarray(found[f"cavity.{name}"].value, np.float64) for name in names
        )
        return _StoredCavity(kurtosis, absolute, of_unit)

    def task(self, condition: str, replicate: int) -> "Task":
        """Make the data of a replicate again, from the recipe and the replicate's seed."""
        return self.recipe.condition(condition).data.build(self.recipe.replicate_seed(replicate))

    def geometry(self, condition: str, replicate: int = 0) -> Geometry:
        """Return the recorded geometry of a condition's inputs.

        Raises
        ------
        InputError
            If the replicate has not begun, or the geometry does not fit the network.
        """
        facts = self.directory.task_facts(condition, replicate).get("geometry")
        if facts is None:
            raise InputError(f"{self.path}: condition {condition!r} has not begun; run it first")
        path = self.directory.replicate(condition, replicate) / TASK
        try:
            geometry = Geometry(int(facts["channels"]), tuple(facts["size"]), bool(facts["wraps"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged: its geometry has {error}") from None
        if self.directory.num_levels(condition, replicate):
            shapes = self.directory.record(condition, replicate, 0).mask_shapes
            num_inputs = shapes.get("linear_0.weight", [geometry.num_inputs])[-1]
            if geometry.num_inputs != num_inputs:
                raise InputError(
                    f"{path} is damaged: its geometry has {geometry.num_inputs} inputs, but the network has "
                    f"{num_inputs}"
                )
        return geometry

    def _layer(self, layer: str | None) -> str:
        layers = self.layers()
        if not layers:
            raise InputError(f"{self.path} holds no level yet; run it first")
        if layer is not None and layer not in layers:
            raise InputError(f"layer: {layer!r} was not measured; there are {', '.join(layers)}")
        return layer or layers[0]


def open_run(path: str | Path, *, for_numbers: bool = False) -> Run:
    """Open a run directory for reading.

    Parameters
    ----------
    for_numbers : bool
        As of `RunDirectory.open`; levels and arrays of such a run can be read all the same.

    Raises
    ------
    InputError
        If there is no run at that path.
    """
    return Run(RunDirectory.open(path, for_numbers=for_numbers))


def _numbers(record: LevelRecord) -> list[tuple[str, str, float]]:
    """Return the layer, quantity and value of every number in a record."""
    whole = {
        "test_accuracy": record.test_accuracy,
        "best_test_accuracy": max(record.curve.test_accuracy),
        "test_loss": record.curve.test_loss[-1],
        "connected_units": record.connectivity.num_connected,
    }
    return [(NETWORK, name, float(value)) for name, value in whole.items()] + [
        (layer, name, np.nan if entry.value is None else entry.value)
        for layer, quantities in record.measures.items()
        for name, entry in quantities.items()
        if not entry.dims
    ]
