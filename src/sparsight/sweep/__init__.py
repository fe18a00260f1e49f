"""Sweeps: one recipe over many values.

_settings       The sweep file, and the cases that its lists of values make.
_directory      The folder of a sweep: a run directory for every case, and the list of the cases.
_replicate      One replicate of one condition of one case, run to its end.
_results        A sweep opened for reading: a tidy frame, and labelled arrays.

Where the replicates run:

_local          On this machine, side by side in processes.
_slurm          On Slurm: submit job arrays, ask the queue, cancel.
_slurm_options  What is asked of Slurm for each job.
_slurm_job      What a job does, and how it survives its time limit.
"""

from sparsight.sweep._directory import CaseReplicate as CaseReplicate
from sparsight.sweep._local import plan_sweep as plan_sweep, run_sweep as run_sweep
from sparsight.sweep._replicate import Outcome as Outcome
from sparsight.sweep._results import Sweep as Sweep, open_sweep as open_sweep
from sparsight.sweep._settings import folder_of as folder_of
from sparsight.sweep._slurm import (
    cancel_jobs as cancel_jobs,
    queued_replicates as queued_replicates,
    submit_jobs as submit_jobs,
)
from sparsight.sweep._slurm_options import SlurmOptions as SlurmOptions
