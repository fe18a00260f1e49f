"""Runs: from a validated recipe to levels on disk.

_measuring: Instruments applied to levels: to one just trained, or again to those that are stored.
_plan: Which replicates of a condition are trained as one program, and how many fit into memory.
_preflight: From a recipe to what it runs on: plugins, data and networks, and whether this machine can run i
_replicates: Replicates of one condition, from the last whole level of each to its end, in one process.
_resources: How many processes a run gets, and how many threads each.
_runner: Run a recipe: imp → instruments → store, replicates of each condition alone or in groups.
_step_watch: Watching a run: workers look out for a request to stop, the holder for the levels they leave.
_stopping: Stopping between two steps: signals, and what they leave for the workers to see.
"""

from sparsight.run._measuring import measure_again as measure_again
from sparsight.run._preflight import (
    check_recipes as check_recipes,
    devices_of as devices_of,
    load_plugins as load_plugins,
)
from sparsight.run._replicates import run_replicates as run_replicates
from sparsight.run._resources import Placement as Placement, Size as Size, place as place
from sparsight.run._runner import run_recipe as run_recipe
from sparsight.run._step_watch import OnLevel as OnLevel
from sparsight.run._stopping import (
    Interrupted as Interrupted,
    request_stop as request_stop,
    stopping_on_signals as stopping_on_signals,
)
