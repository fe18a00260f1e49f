"""Who may write to a run: the locks of the whole run and of its replicates, and their order.

Every function refuses links first: through one, a run from somebody else could make this process write
elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparsight.store._containment import refuse_link, refuse_links
from sparsight.store._lock import (
    LOCK,
    OWNER,
    exclusive_writing,
    refuse_if_written,
    wait_for_workers,
    working_in,
)


@contextmanager
def writing_run(run: Path, on_lost: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a whole run; `BusyError` if another process holds it, or that of a replicate."""
    refuse_links(run)
    with exclusive_writing(run, on_lost):
        # Own lock first, then a look at the others: see `refuse_if_written`.
        for owner in run.glob(f"*/replicate_*/{OWNER}"):
            refuse_if_written(owner.parent)
        # The process before may have been killed, and its workers end a little later.
        wait_for_workers(lock.parent for lock in run.glob(f"*/replicate_*/{LOCK}"))
        yield


@contextmanager
def writing_one_replicate(
    run: Path, folder: Path, on_lost: Callable[[], None], *, wait: float
) -> Iterator[None]:
    """Hold the lock of one replicate; `BusyError` if another process holds it, or that of the whole run."""
    refuse_link(folder.parent)
    refuse_link(folder)
    refuse_links(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive_writing(folder, on_lost, wait=wait):
        refuse_if_written(run)
        yield


@contextmanager
def working_on_replicates(folders: Sequence[Path]) -> Iterator[None]:
    """Hold the locks of replicates of one condition, in a worker of the process that holds the run."""
    for each in (folders[0].parent, *folders):
        refuse_link(each)
        refuse_link(each / LOCK)
        # Not with their parents: a run that was moved away must not be made again.
        each.mkdir(exist_ok=True)
    with working_in(folders):
        yield
