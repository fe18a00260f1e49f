"""sparsight: see what pruning does to the representations of a neural network."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsight.data.sources import data_source as data_source
    from sparsight.data.task import Task as Task
    from sparsight.errors import InputError as InputError
    from sparsight.geometry import Geometry as Geometry
    from sparsight.measure.cavity import cavity as cavity
    from sparsight.measure.gaussianity import gaussianity as gaussianity
    from sparsight.measure.instrument import instrument as instrument
    from sparsight.measure.locality import locality as locality
    from sparsight.network import FullyConnected as FullyConnected
    from sparsight.network import NetworkSettings as NetworkSettings
    from sparsight.network import initialise_ as initialise_
    from sparsight.prune.criteria import criterion as criterion
    from sparsight.prune.imp import imp as imp
    from sparsight.prune.level import Level as Level
    from sparsight.prune.pruning_settings import PruningSettings as PruningSettings
    from sparsight.report.cavity_figures import plot_cavity_distributions as plot_cavity_distributions
    from sparsight.report.difference_figures import plot_differences as plot_differences
    from sparsight.report.field_figures import plot_fan_out as plot_fan_out
    from sparsight.report.field_figures import plot_receptive_fields as plot_receptive_fields
    from sparsight.report.figure_files import write_figures as write_figures
    from sparsight.report.figures import plot_controls as plot_controls
    from sparsight.report.figures import plot_over_density as plot_over_density
    from sparsight.report.locality_figures import plot_fan_in as plot_fan_in
    from sparsight.report.locality_figures import plot_locality_map as plot_locality_map
    from sparsight.report.locality_figures import plot_locality_profile as plot_locality_profile
    from sparsight.report.locality_levels import plot_locality_levels as plot_locality_levels
    from sparsight.report.movie import write_movie as write_movie
    from sparsight.report.page import write_report as write_report
    from sparsight.report.summary import intervals_by_level as intervals_by_level
    from sparsight.report.unit_figures import plot_cavity_map as plot_cavity_map
    from sparsight.report.unit_figures import plot_preactivations as plot_preactivations
    from sparsight.run.network_measures import measure_network as measure_network
    from sparsight.run.recipe import load_recipe as load_recipe
    from sparsight.run.results import open_run as open_run
    from sparsight.run.runner import run as run_recipe  # noqa: F401
    from sparsight.run.sweep_results import open_sweep as open_sweep
    from sparsight.training_settings import TrainingSettings as TrainingSettings

# Loaded when first asked for: torch takes two seconds, and `sparsight --help` does not need it.
_HOME_OF = {
    "FullyConnected": "sparsight.network",
    "Geometry": "sparsight.geometry",
    "InputError": "sparsight.errors",
    "Level": "sparsight.prune.level",
    "NetworkSettings": "sparsight.network",
    "PruningSettings": "sparsight.prune.pruning_settings",
    "Task": "sparsight.data.task",
    "TrainingSettings": "sparsight.training_settings",
    "cavity": "sparsight.measure.cavity",
    "criterion": "sparsight.prune.criteria",
    "data_source": "sparsight.data.sources",
    "gaussianity": "sparsight.measure.gaussianity",
    "imp": "sparsight.prune.imp",
    "initialise_": "sparsight.network",
    "instrument": "sparsight.measure.instrument",
    "intervals_by_level": "sparsight.report.summary",
    "load_recipe": "sparsight.run.recipe",
    "locality": "sparsight.measure.locality",
    "measure_network": "sparsight.run.network_measures",
    "open_run": "sparsight.run.results",
    "open_sweep": "sparsight.run.sweep_results",
    "plot_cavity_distributions": "sparsight.report.cavity_figures",
    "plot_cavity_map": "sparsight.report.unit_figures",
    "plot_controls": "sparsight.report.figures",
    "plot_differences": "sparsight.report.difference_figures",
    "plot_fan_in": "sparsight.report.locality_figures",
    "plot_fan_out": "sparsight.report.field_figures",
    "plot_locality_levels": "sparsight.report.locality_levels",
    "plot_locality_map": "sparsight.report.locality_figures",
    "plot_locality_profile": "sparsight.report.locality_figures",
    "plot_over_density": "sparsight.report.figures",
    "plot_preactivations": "sparsight.report.unit_figures",
    "plot_receptive_fields": "sparsight.report.field_figures",
    "run_recipe": "sparsight.run.runner:run",  # sparsight.run is the room
    "write_figures": "sparsight.report.figure_files",
    "write_movie": "sparsight.report.movie",
    "write_report": "sparsight.report.page",
}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sparsight' has no attribute {name!r}")
    module, _, name_there = _HOME_OF[name].partition(":")
    return getattr(importlib.import_module(module), name_there or name)


def __dir__() -> list[str]:
    return __all__
