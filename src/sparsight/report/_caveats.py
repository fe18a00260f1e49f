"""Caveats: what failed, is missing, was not measured, is undefined, or rests on too few replicates."""

import itertools
from collections.abc import Iterator

from sparsight.figures import CATALOGUE, MOST_OWN, words_of
from sparsight.measure import smallest_detectable_effect
from sparsight.report._subjects import Summaries
from sparsight.store import LevelRecord, Run

_INSTRUMENTS = ("locality", "gaussianity", "cavity")
_FEW_REPLICATES = 10  # from here on, an effect of one standard deviation between replicates is found
_RANK_CORRELATION = "initialisation.rank_correlation"
FOLLOWS_INITIALISATION = 0.5
"""Spearman's correlation of |w| before and after dense training, above which masks follow the former."""


def caveats(summaries: Summaries) -> list[str]:
    """Return a sentence or two for everything that limits what the runs show; empty if nothing does."""
    return [
        *(
            f"{name}: {sentence}" if len(summaries.runs) > 1 else sentence
            for name, run in summaries.runs.items()
            for sentence in (
                *_replicates(run),
                *_unfinished(run),
                *_shared_data(run),
                *_twins(run),
                *_mixed(run),
            )
        ),
        *_densities(summaries),
        *_instruments(summaries),
        *_connectivity(summaries),
        *_never_active(summaries),
        *_undefined(summaries),
        *_initialisation(summaries),
    ]


def _replicates(run: Run) -> Iterator[str]:
    for (condition, replicate), message in run.directory.failures().items():
        yield f"Failed: {condition}, replicate {replicate}: {message}"
    num_replicates = run.recipe.replicates
    if num_replicates == 1:
        yield "Only one replicate: no number has an interval, and no difference is decided."
    elif num_replicates < _FEW_REPLICATES:
        smallest, usual = (
            smallest_detectable_effect(1.0, each) for each in (num_replicates, _FEW_REPLICATES)
        )
        yield (
            f"Only {num_replicates} replicates: Student's 95 % intervals are honest but wide. To be found in "
            f"four of five such runs, an effect has to be {smallest:.1f} standard deviations between "
            f"replicates (with {_FEW_REPLICATES} replicates, {usual:.1f})."
        )
    for condition in run.recipe.condition_names():
        missing = [
            replicate
            for replicate in range(num_replicates)
            if run.directory.num_levels(condition, replicate) == 0
        ]
        if missing:
            yield f"Missing: {condition}, replicate(s) {', '.join(map(str, missing))}: no level is stored."
    if not any(run.directory.num_levels(*replicate) for replicate in run.directory.replicates()):
        yield "No level is stored yet, so there is nothing to show."


def _unfinished(run: Run) -> Iterator[str]:
    for condition, replicate in run.directory.replicates():
        num_levels = run.directory.num_levels(condition, replicate)
        if num_levels and not run.directory.records(condition, replicate)[-1].is_last:
            yield (
                f"Unfinished: {condition}, replicate {replicate} stops at level {num_levels - 1}; run the "
                "same command again to continue."
            )


def _shared_data(run: Run) -> Iterator[str]:
    """Say in which conditions ``data.seed`` gives every replicate the same draw of the data."""
    names = run.recipe.condition_names()
    shared = [name for name in names if run.recipe.condition(name).data.seed is not None]
    if shared and run.recipe.replicates > 1:
        yield (
            f"Replicates of {', '.join(shared)} share one draw of the data (data.seed): intervals over "
            "replicates leave out how numbers change with the data."
        )


def _twins(run: Run) -> Iterator[str]:
    """Yield what the cards of clones, and of the twins that are measured on, warn of."""
    found: dict[str, list[str]] = {}
    for condition in run.recipe.condition_names():
        facts = run.directory.task_facts(condition, 0)
        for key in ("card", "twin"):
            card = facts.get(key)
            warnings = card.get("warnings") if isinstance(card, dict) else None
            for warning in warnings if isinstance(warnings, list) else []:
                found.setdefault(str(warning), []).append(condition)
    for warning, conditions in found.items():
        yield f"Twin ({', '.join(dict.fromkeys(conditions))}): {warning}"


def _mixed(run: Run) -> Iterator[str]:
    """Yield a sentence for everything in which the levels of a run were made differently."""
    records = [record for each in run.directory.replicates() for record in run.directory.records(*each)]
    functions = dict.fromkeys(name for record in records for name in record.own_code)
    for name in functions:
        if len({record.own_code[name] for record in records if name in record.own_code}) > 1:
            yield f"Levels were made by different sources of {name}: they are not comparable."
    for condition, replicate in run.directory.replicates():
        found = run.directory.records(condition, replicate)
        changed = [
            after.index
            for before, after in itertools.pairwise(found)
            if None not in (before.data, after.data) and before.data != after.data
        ]
        if changed:
            yield (
                f"{condition}, replicate {replicate}, goes on with other data from level "
                f"{', '.join(map(str, changed))} on: its levels are not comparable."
            )
    if any("measured_data" in (record.model_extra or {}) for record in records):
        yield "Levels were measured on other data than they were trained on."
    streams = {str(record.made_with["streams"]) for record in records if "streams" in record.made_with}
    if len(streams) > 1:
        yield "Levels were trained with versions that draw other numbers from the same seed."
    versions = {
        f"{record.made_with.get('packages')} {record.made_with.get('cpu')} {record.made_with.get('cuda')}"
        for record in records
        if record.made_with
    }
    if len(versions) > 1:
        yield (
            "Levels were trained with different versions or on different machines (see Environment): they "
            "are comparable, but running the recipe again gives other last digits."
        )


def _densities(summaries: Summaries) -> Iterator[str]:
    levels = summaries.compared_levels()
    densities = {name: summaries.density(name, level) for name, level in levels.items()}
    if densities and max(densities.values()) > 1.01 * min(densities.values()):
        which = ", ".join(
            f"{name} {100 * density:.3g} % (level {levels[name]})" for name, density in densities.items()
        )
        yield (
            "The conditions are compared at different densities, which may explain part of a difference: "
            f"{which}."
        )


def _instruments(summaries: Summaries) -> Iterator[str]:
    left_out = len(summaries.own_quantities) - MOST_OWN
    if left_out > 0:
        yield f"{left_out} more quantities of own instruments are in run.frame(), and not shown here."
    measured = set(summaries.frame["quantity"]) if summaries.conditions else set()
    for instrument in _INSTRUMENTS:
        if measured and not any(quantity.startswith(f"{instrument}.") for quantity in measured):
            yield (
                f"Not measured: {instrument}. Its figures are left out; to add them, run "
                f"`sparsight measure RUN --instruments {instrument}`."
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
            num_units = worst.connectivity.num_units
            severed.append(f"{name} from level {first}, at most {_num_severed(worst)} of {num_units}")
        for where, record in records:
            for layer in record.connectivity.severed_layers:
                yield f"Severed layer: {where}: no weight is left in {layer}."
            if not record.connectivity.has_path:
                yield (
                    f"Severed network: {where}: no path of kept weights leads from the input to the output, "
                    "so the accuracy is that of a constant guess."
                )
    if severed:
        yield f"Severed units, without a path from input to output: {'; '.join(severed)}."


def _num_severed(record: LevelRecord) -> int:
    return record.connectivity.num_units - record.connectivity.num_connected


def _never_active(summaries: Summaries) -> Iterator[str]:
    """Yield a sentence on units that stay at 0, where the pre-activation decides: ReLU, no BatchNorm."""
    frame = summaries.frame
    counts = frame[(frame["quantity"] == "locality.num_never_active") & (frame["value"] > 0)]
    most = []
    for name, subject in summaries.subjects.items():
        network = subject.run.recipe.network
        own = counts[counts["condition"] == name]
        if len(own) and network.activation == "relu" and network.batch_norm != "hidden":
            most.append(f"{name} {own['value'].max():.0f}, from level {own['level'].min()} on")
    if most:
        yield (
            "Never active: units with a pre-activation of at most 0 on every sample contribute nothing, but "
            f"count in the means over units (largest number in a layer and level: {'; '.join(most)}). "
            "Compare the attained share weighted by contribution."
        )


def _undefined(summaries: Summaries) -> Iterator[str]:
    frame = summaries.frame
    for quantity in CATALOGUE.undefined:
        counts = frame[(frame["quantity"] == quantity) & (frame["value"] > 0)]
        if len(counts):
            most = counts.groupby("condition", sort=False)["value"].max()
            which = ", ".join(f"{name} {count:.0f}" for name, count in most.items())
            yield (
                f"Undefined and left out of means, from level {counts['level'].min()} on: "
                f"{words_of(quantity).meaning} (largest number in one layer and level: {which})."
            )


def _initialisation(summaries: Summaries) -> Iterator[str]:
    """Say in which layers and conditions dense training hardly changed the ranks of |w|."""
    frame = summaries.frame
    measured = frame[(frame["quantity"] == _RANK_CORRELATION) & (frame["level"] == 0)]
    for layer, of_layer in measured.groupby("layer", sort=False):
        means = of_layer.groupby("condition", sort=False)["value"].mean()
        high = means[means > FOLLOWS_INITIALISATION]
        if len(high):
            which = ", ".join(f"{name} {value:.2f}" for name, value in high.items())
            yield (
                f"The mask follows the initialisation in layer {layer}: dense training hardly changed which "
                f"weights are large (Spearman's correlation of |w| before and after: {which}; weights have "
                f"left the initialisation at {FOLLOWS_INITIALISATION:g} or less). What pruning keeps there "
                "says more about the initial weights than about the data."
            )
