"""Lines of `sparsight check`: which files are whole, and how the others will be mended."""

from collections.abc import Iterator, Sequence

from sparsight.store import ReplicateHealth


def health_lines(
    problems: Sequence[str], replicates: Sequence[ReplicateHealth], newer: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a line for every damaged file, one for every replicate, and a summary.

    `problems` are those of files that belong to the run as a whole; `newer`, those of a newer version, are
    only counted.
    """
    damaged = [*problems, *(problem for health in replicates for problem in health.problems)]
    yield from damaged
    for health in replicates:
        yield f"{health.condition}, replicate {health.replicate}: {_state(health)}"
    num_levels = sum(health.num_stored for health in replicates)
    yield f"checked {num_levels} levels of {len(replicates)} replicates: {verdict(damaged, newer)}"


def verdict(damaged: Sequence[str], newer: Sequence[str]) -> str:
    """Return how many files are damaged, and how many a newer version wrote."""
    counts = ((len(damaged), "damaged"), (len(newer), "of a newer version"))
    return ", ".join(f"{number} {what}" for number, what in counts if number) or "every file is whole"


def _state(health: ReplicateHealth) -> str:
    last = "no good level" if health.last_good is None else f"last good level {health.last_good}"
    if health.failure and not health.problems:
        return f"{last}; failed: {health.failure}"
    return f"{last}, finished" if health.is_finished else f"{last}; `run` will {health.remedy}"
