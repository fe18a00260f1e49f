from ._directory import CaseReplicate as CaseReplicate
from ._local import plan_sweep as plan_sweep, run_sweep as run_sweep
from ._replicate import Outcome as Outcome
from ._results import Sweep as Sweep, open_sweep as open_sweep, write_results as write_results
from ._settings import folder_of as folder_of
from ._slurm import (
    cancel_jobs as cancel_jobs,
    queued_replicates as queued_replicates,
    submit_jobs as submit_jobs,
)
from ._slurm_options import SlurmOptions as SlurmOptions
