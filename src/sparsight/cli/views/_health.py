"""Lines of `sparsight check`: which files are whole, and how the others will be mended."""

from collections.abc import Iterator, Sequence

from sparsight.store import ReplicateHealth


def health_lines(
    problems: Sequence[str], replicates: Sequence[ReplicateHealth], newer: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a line for every damaged file, one for every replicate, and a summary.

    `problems` are those of files that belong to the run as a whole; `newer` names the files that a newer
    version wrote.
    """
    damaged = [*problems, *(problem for health in replicates for problem in health.problems)]
    yield from (*newer, *damaged)
    for health in replicates:
        yield f"{health.condition}, replicate {health.replicate}: {_state(health)}"
    num_levels = sum(health.num_stored for health in replicates)
    counts = ((len(damaged), "damaged"), (len(newer), "of a newer version"))
    verdict = ", ".join(f"{number} {what}" for number, what in counts if number) or "every file is whole"
    yield f"checked {num_levels} levels of {len(replicates)} replicates: {verdict}"


def _state(health: ReplicateHealth) -> str:
    last = "no good level" if health.last_good is None else f"last good level {health.last_good}"
    if health.failure and not health.problems:
        return f"{last}; failed: {health.failure}"
    return f"{last}, finished" if health.is_finished else f"{last}; `run` will {health.remedy}"
