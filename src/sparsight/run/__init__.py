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

from sparsight.run._ensembles import (
    COPIES as COPIES,
    DENSE_MATCHED as DENSE_MATCHED,
    MATCHED as MATCHED,
    TICKETS as TICKETS,
    ensembles as ensembles,
)
from sparsight.run._epinets import epinets as epinets
from sparsight.run._measuring import measure_again as measure_again
from sparsight.run._memory import HOW_TO_USE_LESS as HOW_TO_USE_LESS, lacks_memory as lacks_memory
from sparsight.run._network_leak import NetworkLeak as NetworkLeak, network_leak as network_leak
from sparsight.run._plan import Execution as Execution, Group as Group
from sparsight.run._plugin_exits import refusing_exit as refusing_exit
from sparsight.run._plugins import load_plugins as load_plugins
from sparsight.run._preflight import (
    check_conditions as check_conditions,
    check_mask_sources as check_mask_sources,
)
from sparsight.run._replicates import run_replicates as run_replicates
from sparsight.run._representations import representation_similarities as representation_similarities
from sparsight.run._resources import Placement as Placement, Size as Size, place as place
from sparsight.run._runner import run_recipe as run_recipe
from sparsight.run._same_run import (
    check_same_code as check_same_code,
    note_environment as note_environment,
    note_same_code as note_same_code,
)
from sparsight.run._step_watch import exit_if_orphaned as exit_if_orphaned
from sparsight.run._stopping import (
    Interrupted as Interrupted,
    request_stop as request_stop,
    stop_request_in as stop_request_in,
    stopping_on_signals as stopping_on_signals,
)
from sparsight.run._workers import (
    THREAD_VARIABLES as THREAD_VARIABLES,
    WorkerDeath as WorkerDeath,
    Workers as Workers,
)
