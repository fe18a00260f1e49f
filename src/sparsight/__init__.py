"""sparsight: see what pruning does to the representations of a neural network."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsight.data._sources import data_source as data_source
    from sparsight.data._task import Task as Task
    from sparsight.errors import InputError as InputError
    from sparsight.figures._cavity_distributions import plot_cavity_distributions as plot_cavity_distributions
    from sparsight.figures._differences import plot_differences as plot_differences
    from sparsight.figures._locality import plot_fan_in as plot_fan_in
    from sparsight.figures._locality import plot_locality_map as plot_locality_map
    from sparsight.figures._locality import plot_locality_profile as plot_locality_profile
    from sparsight.figures._locality_levels import plot_locality_levels as plot_locality_levels
    from sparsight.figures._over_density import plot_controls as plot_controls
    from sparsight.figures._over_density import plot_over_density as plot_over_density
    from sparsight.figures._receptive_fields import plot_fan_out as plot_fan_out
    from sparsight.figures._receptive_fields import plot_receptive_fields as plot_receptive_fields
    from sparsight.figures._units import plot_cavity_map as plot_cavity_map
    from sparsight.figures._units import plot_preactivations as plot_preactivations
    from sparsight.geometry import Geometry as Geometry
    from sparsight.instruments._network import measure_network as measure_network
    from sparsight.instruments._registry import instrument as instrument
    from sparsight.measure._cavity import cavity as cavity
    from sparsight.measure._gaussianity import gaussianity as gaussianity
    from sparsight.measure._locality import locality as locality
    from sparsight.network import FullyConnected as FullyConnected
    from sparsight.network import NetworkSettings as NetworkSettings
    from sparsight.network import initialise_ as initialise_
    from sparsight.prune._imp import imp as imp
    from sparsight.prune._level import Level as Level
    from sparsight.prune._settings import PruningSettings as PruningSettings
    from sparsight.prune.criteria import criterion as criterion
    from sparsight.recipe._recipe import load_recipe as load_recipe
    from sparsight.report._figure_files import write_figures as write_figures
    from sparsight.report._movie import write_movie as write_movie
    from sparsight.report._page import write_report as write_report
    from sparsight.run._runner import run as run_recipe  # noqa: F401
    from sparsight.store._results import open_run as open_run
    from sparsight.store._summaries import intervals_by_level as intervals_by_level
    from sparsight.sweep._results import open_sweep as open_sweep
    from sparsight.train._settings import TrainingSettings as TrainingSettings

# Loaded when first asked for: torch takes two seconds, and `sparsight --help` does not need it.
_HOME_OF = {
    "FullyConnected": "sparsight.network",
    "Geometry": "sparsight.geometry",
    "InputError": "sparsight.errors",
    "Level": "sparsight.prune._level",
    "NetworkSettings": "sparsight.network",
    "PruningSettings": "sparsight.prune._settings",
    "Task": "sparsight.data._task",
    "TrainingSettings": "sparsight.train._settings",
    "cavity": "sparsight.measure._cavity",
    "criterion": "sparsight.prune.criteria",
    "data_source": "sparsight.data._sources",
    "gaussianity": "sparsight.measure._gaussianity",
    "imp": "sparsight.prune._imp",
    "initialise_": "sparsight.network",
    "instrument": "sparsight.instruments._registry",
    "intervals_by_level": "sparsight.store._summaries",
    "load_recipe": "sparsight.recipe._recipe",
    "locality": "sparsight.measure._locality",
    "measure_network": "sparsight.instruments._network",
    "open_run": "sparsight.store._results",
    "open_sweep": "sparsight.sweep._results",
    "plot_cavity_distributions": "sparsight.figures._cavity_distributions",
    "plot_cavity_map": "sparsight.figures._units",
    "plot_controls": "sparsight.figures._over_density",
    "plot_differences": "sparsight.figures._differences",
    "plot_fan_in": "sparsight.figures._locality",
    "plot_fan_out": "sparsight.figures._receptive_fields",
    "plot_locality_levels": "sparsight.figures._locality_levels",
    "plot_locality_map": "sparsight.figures._locality",
    "plot_locality_profile": "sparsight.figures._locality",
    "plot_over_density": "sparsight.figures._over_density",
    "plot_preactivations": "sparsight.figures._units",
    "plot_receptive_fields": "sparsight.figures._receptive_fields",
    "run_recipe": "sparsight.run._runner:run",  # sparsight.run is the room
    "write_figures": "sparsight.report._figure_files",
    "write_movie": "sparsight.report._movie",
    "write_report": "sparsight.report._page",
}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sparsight' has no attribute {name!r}")
    module, _, name_there = _HOME_OF[name].partition(":")
    return getattr(importlib.import_module(module), name_there or name)


def __dir__() -> list[str]:
    return __all__
