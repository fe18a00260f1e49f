"""What a reader must know before believing a run: what failed, is missing, undefined or too few."""

from collections.abc import Iterator

from sparsight.report._subjects import Summaries
from sparsight.store import FEW_REPLICATES, LevelRecord, Run

_INSTRUMENTS = {
    "locality": "locality.near",
    "gaussianity": "gaussianity.excess_kurtosis",
    "cavity": "cavity.delta_kurtosis_kept",
}
_UNDEFINED = {
    "locality.num_undefined": "the locality of units with fewer than two kept inputs",
    "gaussianity.num_undefined": "the kurtosis of units with a constant pre-activation",
    "cavity.num_undefined": "the cavity effect of weights without which their unit does not vary",
}


def caveats(summaries: Summaries) -> list[str]:
    """Return one sentence for each thing that limits what the runs show; empty if there is none."""
    return [
        *(
            f"{name}: {sentence}" if len(summaries.runs) > 1 else sentence
            for name, run in summaries.runs.items()
            for sentence in (*_replicates(run), *_unfinished(run))
        ),
        *_densities(summaries),
        *_instruments(summaries),
        *_connectivity(summaries),
        *_undefined(summaries),
    ]


def _replicates(run: Run) -> Iterator[str]:
    for (condition, replicate), message in run.directory.failures().items():
        yield f"Failed: {condition}, replicate {replicate}: {message}"
    asked = run.recipe.replicates
    if asked == 1:
        yield "One replicate: there is no interval anywhere, and no difference is decided."
    elif asked < FEW_REPLICATES:
        yield (
            f"{asked} replicates: intervals over fewer than {FEW_REPLICATES} are too short; read them as "
            "ranges of what was seen (a 95 % interval over two replicates holds the true mean half of the "
            "time)."
        )
    for condition in run.recipe.condition_names():
        missing = [
            replicate for replicate in range(asked) if run.directory.num_levels(condition, replicate) == 0
        ]
        if missing:
            which = ", ".join(map(str, missing))
            yield f"Not there: {condition}, replicate(s) {which}: no level is stored."
    if not any(run.directory.num_levels(*unit) for unit in run.directory.replicates()):
        yield "No level is stored yet: there is nothing to show."


def _unfinished(run: Run) -> Iterator[str]:
    for condition, replicate in run.directory.replicates():
        num_levels = run.directory.num_levels(condition, replicate)
        if num_levels:
            record = run.directory.records(condition, replicate)[-1]
            if not record.is_last:
                yield (
                    f"Unfinished: {condition}, replicate {replicate} stops at level {num_levels - 1}; "
                    "the same command goes on from there."
                )


def _densities(summaries: Summaries) -> Iterator[str]:
    levels = summaries.compared_levels()
    densities = {name: summaries.density(name, level) for name, level in levels.items()}
    if densities and max(densities.values()) > 1.01 * min(densities.values()):
        which = ", ".join(
            f"{name} {100 * density:.3g} % (level {levels[name]})" for name, density in densities.items()
        )
        yield f"Where they are compared the conditions differ in density: {which}. Compare them with care."


def _instruments(summaries: Summaries) -> Iterator[str]:
    for instrument, quantity in _INSTRUMENTS.items():
        if summaries.conditions and not any(summaries.has(quantity, layer) for layer in summaries.layers):
            yield (
                f"Not measured: {instrument}. Its panels are left out; "
                f"`sparsight measure RUN --instruments {instrument}` adds it to stored levels."
            )


def _connectivity(summaries: Summaries) -> Iterator[str]:
    severed = []
    for name, subject in summaries.subjects.items():
        records = [
            (f"{name}, replicate {replicate}, level {record.index}", record)
            for replicate in range(subject.run.recipe.replicates)
            for record in subject.run.directory.records(subject.condition, replicate)
        ]
        worst = max((record for _, record in records), key=_num_severed)
        if _num_severed(worst):
            first = min(record.index for _, record in records if _num_severed(record))
            severed.append(
                f"{name} from level {first}, up to {_num_severed(worst)} of {worst.connectivity.num_units}"
            )
        for where, record in records:
            for layer in record.connectivity.severed_layers:
                yield f"Severed: {where}: no weight left in {layer}."
            if not record.connectivity.has_path:
                yield (
                    f"No path: {where}: no kept path from input to output; the accuracy there is that of a "
                    "constant guess."
                )
    if severed:
        yield f"Severed units, without a path from input to output: {'; '.join(severed)}."


def _num_severed(record: LevelRecord) -> int:
    return record.connectivity.num_units - record.connectivity.num_connected


def _undefined(summaries: Summaries) -> Iterator[str]:
    frame = summaries.frame
    for quantity, meaning in _UNDEFINED.items():
        counts = frame[(frame["quantity"] == quantity) & (frame["value"] > 0)]
        worst = counts.groupby("condition", sort=False)["value"].max()
        if len(worst):
            which = ", ".join(f"{name} {count:.0f}" for name, count in worst.items())
            first = counts["level"].min()
            yield (
                f"Undefined, and left out of the means: {meaning} (from level {first}; at most, in one layer "
                f"and level: {which})."
            )
