"""What a reader must know before believing a run: what failed, is missing, undefined or too few."""

from collections.abc import Iterator

from sparsight.report.findings import Summaries
from sparsight.report.summary import FEW_REPLICATES
from sparsight.run.results import Run

_INSTRUMENTS = {
    "locality": "locality.near",
    "gaussianity": "gaussianity.excess_kurtosis",
    "cavity": "cavity.delta_kurtosis_kept",
}
_UNDEFINED = {
    "locality.num_undefined": "units have fewer than two kept inputs, so no locality",
    "gaussianity.num_undefined": "units have a constant pre-activation, so no kurtosis",
    "cavity.num_undefined": "weights are the only ones that make their unit vary, so have no cavity effect",
}


def caveats(run: Run, summaries: Summaries) -> list[str]:
    """Return one sentence for each thing that limits what the run shows; empty if there is none."""
    return [
        *_replicates(run, summaries),
        *_levels(run, summaries),
        *_instruments(summaries),
        *_connectivity(run, summaries),
        *_undefined(summaries),
    ]


def _replicates(run: Run, summaries: Summaries) -> Iterator[str]:
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
    if not summaries.conditions:
        yield "No level is stored yet: there is nothing to show."


def _levels(run: Run, summaries: Summaries) -> Iterator[str]:
    for condition, replicate in run.directory.units():
        num_levels = run.directory.num_levels(condition, replicate)
        if num_levels:
            page = run.directory.pages(condition, replicate)[-1]
            if not page["is_last"]:
                yield (
                    f"Unfinished: {condition}, replicate {replicate} stops at level {num_levels - 1}; "
                    "the same command goes on from there."
                )
    level = summaries.last_common_level()
    if level is None:
        return
    densities = {name: summaries.density(name, level) for name in summaries.conditions}
    if max(densities.values()) > 1.01 * min(densities.values()):
        which = ", ".join(f"{name} {100 * density:.3g} %" for name, density in densities.items())
        yield f"At level {level} the conditions differ in density ({which}): compare them with care."


def _instruments(summaries: Summaries) -> Iterator[str]:
    for instrument, quantity in _INSTRUMENTS.items():
        if summaries.conditions and not any(summaries.has(quantity, layer) for layer in summaries.layers):
            yield (
                f"Not measured: {instrument}. Its panels are left out; "
                f"`sparsight measure RUN --instruments {instrument}` adds it to stored levels."
            )


def _connectivity(run: Run, summaries: Summaries) -> Iterator[str]:
    for condition in summaries.conditions:
        worst: dict[int, tuple[int, int]] = {}
        for replicate in range(run.recipe.replicates):
            for page in run.directory.pages(condition, replicate):
                facts = page["connectivity"]
                where = f"{condition}, replicate {replicate}, level {page['index']}"
                severed = facts["num_units"] - facts["num_connected"]
                if severed > worst.get(page["index"], (0, 0))[0]:
                    worst[page["index"]] = (severed, facts["num_units"])
                for layer in facts["severed_layers"]:
                    yield f"Severed: {where}: no weight left in {layer}."
                if not facts["has_path"]:
                    yield (
                        f"No path: {where}: no kept path from input to output; the accuracy there is that of "
                        "a constant guess."
                    )
        if worst:
            first, last = min(worst), max(worst)
            yield (
                f"Severed units: in {condition} units without a path from input to output appear at level "
                f"{first}; at level {last} up to {worst[last][0]} of {worst[last][1]}."
            )


def _undefined(summaries: Summaries) -> Iterator[str]:
    for quantity, meaning in _UNDEFINED.items():
        chosen = summaries.frame[(summaries.frame["quantity"] == quantity) & (summaries.frame["value"] > 0)]
        for condition, rows in chosen.groupby("condition", sort=False):
            worst = rows.sort_values("value").iloc[-1]
            yield (
                f"Undefined: in {condition} up to {worst['value']:.0f} {meaning} (layer {worst['layer']}, "
                f"level {worst['level']}); they are left out of the means."
            )
