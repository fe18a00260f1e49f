from ._building import dropping_tasks as dropping_tasks
from ._ensembles import (
    COPIES as COPIES,
    DENSE_MATCHED as DENSE_MATCHED,
    MATCHED as MATCHED,
    TICKETS as TICKETS,
    ensembles as ensembles,
)
from ._epinets import epinets as epinets
from ._measuring import measure_again as measure_again
from ._memory import HOW_TO_USE_LESS as HOW_TO_USE_LESS, lacks_memory as lacks_memory
from ._network_leak import NetworkLeak as NetworkLeak, network_leak as network_leak
from ._plan import Execution as Execution, Group as Group
from ._plugin_exits import refusing_exit as refusing_exit
from ._plugins import load_plugins as load_plugins
from ._preflight import (
    check_conditions as check_conditions,
    check_mask_sources as check_mask_sources,
)
from ._replicates import run_replicates as run_replicates
from ._representations import representation_similarities as representation_similarities
from ._resources import Placement as Placement, Size as Size, place as place
from ._runner import run_recipe as run_recipe
from ._same_run import (
    check_same_code as check_same_code,
    note_environment as note_environment,
    note_same_code as note_same_code,
)
from ._step_watch import exit_if_orphaned as exit_if_orphaned
from ._stopping import (
    Interrupted as Interrupted,
    request_stop as request_stop,
    stop_request_in as stop_request_in,
    stopping_on_signals as stopping_on_signals,
)
from ._workers import (
    THREAD_VARIABLES as THREAD_VARIABLES,
    WorkerDeath as WorkerDeath,
    Workers as Workers,
)
