"""The report: one HTML file that opens from disk and asks nothing of the network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.figures import CONDITION_COLOURS, SATURATION, looks, signed_table
from sparsight.report._caveats import caveats
from sparsight.report._curves import control_panels, curve_panels, interval_rows
from sparsight.report._evidence import Evidence, gather
from sparsight.report._explorer import pack
from sparsight.report._findings import Finding, findings
from sparsight.report._mosaics import level_maps, mosaics
from sparsight.report._panels import cavity_panels, connection_panels, difference_panels, locality_panels
from sparsight.report._provenance import differing_settings, provenance
from sparsight.report._subjects import Summaries
from sparsight.store import COLUMNS, NETWORK, Run


def write_report(run: Run) -> Path:
    """Write the report of a run into its directory.

    Parameters
    ----------
    run : Run
        May be unfinished, or have failed replicates: the page says so.

    Returns
    -------
    Path
        ``run.directory.report``; the file is replaced in one step.

    Raises
    ------
    InputError
        If a stored level is damaged.
    OSError
        If the run directory cannot be written; an older report is intact.
    """
    return write_page_of([run], run.directory.report)


def write_page_of(runs: Sequence[Run], path: Path) -> Path:
    """Write the page of one run, or of several side by side, to a path.

    Parameters
    ----------
    runs : sequence of Run
        Colours and comparisons follow their order: the first is what the others are compared with.
    path : Path
        Replaced in one step.

    Raises
    ------
    InputError
        If there is no run, one is given twice, a stored level is damaged, or `path` cannot be written.
    """
    if not runs:
        raise InputError("no run is given; name at least one run directory")
    places = [run.path.resolve() for run in runs]
    if len(set(places)) < len(places):
        raise InputError("a run is given twice; name each run once")
    text = render(*runs).encode()
    try:
        write_atomically(path, text)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
    return path


def render(*runs: Run) -> str:
    """Return the page as text. Every string from the runs is escaped."""
    environment = Environment(
        loader=PackageLoader("sparsight.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2").render(_content(Summaries(*runs)))


def _content(summaries: Summaries) -> dict[str, Any]:
    first_layer = summaries.layers[0] if summaries.layers else NETWORK
    levels = summaries.compared_levels()
    gathered = [gather(subject, first_layer, levels[name]) for name, subject in summaries.subjects.items()]
    found = findings(summaries, first_layer)
    return {
        "title": ", ".join(summaries.runs),
        "runs": [provenance(name, run) for name, run in summaries.runs.items()],
        "settings": differing_settings(summaries.runs),
        "subjects": summaries.subjects,
        "conditions": summaries.conditions,
        "looks": looks(summaries.conditions),
        "num_colours": len(CONDITION_COLOURS),
        "has_intervals": any(run.recipe.replicates > 1 for run in summaries.runs.values()),
        "layer": first_layer,
        "levels": levels,
        "densities": {name: summaries.density(name, level) for name, level in levels.items()},
        "findings": found,
        "pairing": _pairing(found),
        "columns": COLUMNS,
        "rows": _rows(summaries, first_layer),
        "caveats": caveats(summaries),
        "differences": difference_panels(found, summaries.conditions),
        "curves": curve_panels(summaries, first_layer),
        "controls": control_panels(summaries, first_layer),
        "other_layers": _other_layers(summaries),
        "order_words": gathered[0].order_words if gathered else "",
        "mosaics": _mosaics(summaries, gathered),
        "has_three_channels": any(each.geometry.channels == 3 for each in gathered),
        "saturation": SATURATION,
        "explorer": _explorer(gathered),
        "profiles": [panel for each in gathered for panel in locality_panels(each)],
        "level_maps": _level_maps(gathered),
        "connections": connection_panels(gathered),
        "cavity": cavity_panels(gathered),
        "numbers": interval_rows(summaries, summaries.layers),
        "version": metadata.version("sparsight"),
    }


def _pairing(found: Sequence[Finding]) -> str:
    pairs = {cell.is_paired for finding in found for cell in finding.differences}
    if pairs == {True}:
        return "Differences are paired by seed."
    if pairs == {False}:
        return "Differences are between independent replicates: no seed is shared."
    return "Differences are paired by seed where seeds are shared, else between independent replicates."


@dataclass(frozen=True)
class _Row:
    condition: str
    level: int
    density: float
    cells: list[Any]


def _rows(summaries: Summaries, layer: str) -> list[_Row]:
    tables = []
    for column in COLUMNS:
        table = summaries.intervals(column.quantity, NETWORK if column.scope == NETWORK else layer)
        tables.append({(row["condition"], row["level"]): row for row in table.to_dict("records")})
    return [
        _Row(
            condition,
            level,
            summaries.density(condition, level),
            [table.get((condition, level)) for table in tables],
        )
        for condition in summaries.conditions
        for level in range(summaries.last_level(condition) + 1)
    ]


def _other_layers(summaries: Summaries) -> dict[str, list[Any]]:
    return {
        layer: [
            *curve_panels(summaries, layer, with_network=False),
            *(panel for family in control_panels(summaries, layer) for panel in family),
        ]
        for layer in summaries.layers[1:]
    }


def _mosaics(summaries: Summaries, gathered: list[Evidence]) -> list[list[Any]]:
    return [
        list(mosaics(each, lambda level, name=each.condition: summaries.density(name, level)))  # type: ignore[misc]
        for each in gathered
        if each.shows_fields
    ]


def _level_maps(gathered: list[Evidence]) -> list[dict[str, Any]]:
    """Return the maps of every condition and kind of pair."""
    return [
        {
            "condition": each.condition,
            "kind": words,
            "maps": maps,
            "is_beside_both": (kind, "configuration", 0) in each.expected,
            "is_open": kind == "same_channel",
        }
        for each in gathered
        for kind, words in (("same_channel", "same channel"), ("different_channel", "different channels"))
        if (maps := level_maps(each, kind))
    ]


def _explorer(gathered: list[Evidence]) -> dict[str, Any] | None:
    """Return the explorer's data, of all conditions whose fields are like the first's, if there are any."""
    able = [each for each in gathered if each.packer is not None]
    if not able:
        return None
    alike = [
        each.packer
        for each in able
        if each.packer is not None
        and able[0].packer is not None
        and (each.geometry, each.packer.num_units) == (able[0].geometry, able[0].packer.num_units)
    ]
    shown = {packer.condition for packer in alike}
    return pack(alike) | {
        "geometry": asdict(able[0].geometry),
        "signed": signed_table().tolist(),
        "leftOut": [each.condition for each in gathered if each.condition not in shown],
    }
