"""One recipe over many values.

_directory: The folder of a sweep: a run directory for every case, and the list of them.
_local: Run a sweep on this machine: every unit that is not finished, the cores shared out among them.
_replicate: One unit of a sweep: idempotent, resumable, safe beside others of the same sweep.
_results: A sweep opened for reading: one tidy frame, one set of labelled arrays, every varied field a coord
_settings: The sweep file: a recipe, lists of values, and the cases that they make.
_slurm: Sweeps on Slurm: submit units as job arrays, say what the queue has of them, cancel them.
_slurm_job: What one job of Slurm's does: its units, and, told that its time is up, save and queue again.
"""

from sparsight.sweep._directory import CaseReplicate as CaseReplicate
from sparsight.sweep._local import plan_sweep as plan_sweep, sweep as sweep
from sparsight.sweep._replicate import Outcome as Outcome
from sparsight.sweep._results import Sweep as Sweep, open_sweep as open_sweep
from sparsight.sweep._settings import folder_of as folder_of
