"""Pruning: which weights to remove, how many, and when.

The loop
  _imp: iterative magnitude pruning and its relatives, for one network.
  _together: the same loop for several networks, trained as one program.
  _rounds: how a round of one network begins and ends; both loops use it.
  _level_trainer: the trainer of a level, and a level trained once more with other batches.
  _level: the level that a round yields, and the checkpoint that resumes one.

The rules
  _settings: the ``[pruning]`` table of a recipe.
  _checks: whether a network, its data and its training can follow those settings.
  _network_checks: whether a network can be pruned or measured on a task at all.
  _output_layers: which layers a network calls, and which of them gives its outputs.
  _schedule: how many weights each level keeps, and which level is the last.
  _distribution: how the weights that a level keeps are shared out among the layers.
  _masks: masks from scores and counts.
  _regrowth: connections that are dropped and grown while a level trains.
  _connectivity: which units the masks still connect.
  _collapse: a warning where pruning leaves a layer without weights.

Masks that no criterion chose
  _mask_sources: the masks of every level, given from outside.
  _windows: planted compact windows.
  _rearrangement: the masks of a source, permuted.
  _starting_state: the weights from which such masks are trained.

criteria: one file for each criterion, a function from a trained level to a score for every weight.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
