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

The names are listed in ``__init__.pyi`` and imported when they are first used: torch takes two seconds, and
``sparsight sweep --help`` needs `SlurmOptions` alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
