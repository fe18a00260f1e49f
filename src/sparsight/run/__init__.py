"""Runs: a recipe is planned, carried out, and leaves levels on disk.

The main job, in the order in which it calls:

_runner      ``run_recipe``: plan, then groups of replicates side by side.
_plan        Every condition resolved, replicates grouped, the machine shared out.
_replicates  One group in one process: imp → instruments → store.
_prepared    A replicate of it: data, masks, and the last whole level.
_measuring   Instruments applied to a level, fresh or stored.

What the plan needs to know:

_preflight   Whether this machine can run the conditions.
_resources   How many processes and threads, and how much memory they will take.

By hand:

_representations  How alike pruned and dense networks answer, from a stored run.
_ensembles   Replicates of a condition as an ensemble, from a stored run.
_epinets     An epinet on the frozen features of every stored level.
_network_leak  Whether the recipe's own network learns from a twin what its labels cannot have put there.

What a worker needs:

_plugins     The user's own criteria, instruments and data sources.
_plugin_exits  What is said if one of them ends the program.
_building    Data and network of a replicate.
_shared_levels  The dense level, taken from a condition that has trained the same.
_mask_sources  Masks that a replicate takes from another one, or that are planted.
_stopping    Signals, and the request to stop that they become.
_workers     Processes side by side, of which each may be killed alone.
_memory      What is said when memory runs out.
_same_run    Whether a run goes on with the data, own code, versions and threads it was made with.
_step_watch  What a worker does after every step, and how its owner notices new levels.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
