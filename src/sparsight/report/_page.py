"""The report: one HTML file that opens from disk and loads nothing from the network."""

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.figures import CATALOGUE, PALETTE, PRUNED, SATURATION, looks, signed_table, summary_columns
from sparsight.instruments import NETWORK
from sparsight.report._answer import answer
from sparsight.report._caveats import caveats
from sparsight.report._equal_accuracy_panels import equal_accuracy_panels
from sparsight.report._evidence import Evidence, gather
from sparsight.report._explorer import pack
from sparsight.report._findings import Finding, findings
from sparsight.report._mosaics import Picture, field_mosaics, level_maps
from sparsight.report._overlap_panels import overlap_panels
from sparsight.report._panels import (
    Panel,
    cavity_panels,
    connection_panels,
    control_panels,
    curve_panels,
    difference_panels,
    locality_panels,
)
from sparsight.report._provenance import differing_settings, provenance
from sparsight.report._stability_panels import stability_panels
from sparsight.report._subjects import Summaries, check_distinct, run_around
from sparsight.report._training_panels import training_panels
from sparsight.report._transfer_panels import transfer_panels
from sparsight.store import Run


def write_report(*runs: Run, path: str | Path | None = None) -> Path:
    """Write the report of one run, or of several side by side.

    Parameters
    ----------
    *runs : Run
        Runs in the order of the report; the others are compared with the first. Unfinished runs and failed
        replicates are named in the report.
    path : str or Path, optional
        File to write; an older file is replaced in one step. Default: ``run.directory.report``, for one run.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If there is no run, one is given twice, several have no `path`, a stored level is damaged, or the
        folder does not exist.
    OSError
        If the file cannot be written; an older report is intact.
    """
    path = None if path is None else Path(path)
    check_distinct(runs)
    if path is None:
        if len(runs) > 1:
            raise InputError("a report of several runs needs a path; give path")
        path = runs[0].directory.report
    text = render(*runs).encode()
    try:
        # A place in a run may come with the run from somebody else; any other was named by the user.
        write_atomically(path, text, inside=run_around(path, runs))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
    return path


def render(*runs: Run) -> str:
    """Return the HTML of the report, in which every string from the runs is escaped."""
    # A run may come from somebody else: whatever it contains is text here, never markup or a template
    # (tests/report/test_foreign_runs.py).
    environment = Environment(
        loader=PackageLoader("sparsight.report", ""),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name raises instead of leaving a gap in the page
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2").render(_content(Summaries(*runs)))


def _content(summaries: Summaries) -> dict[str, Any]:
    """Return everything that the template shows."""
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
        "num_colours": len(PALETTE.conditions),
        "has_intervals": any(run.recipe.replicates > 1 for run in summaries.runs.values()),
        "layer": first_layer,
        "levels": levels,
        "densities": {name: summaries.density(name, level) for name, level in levels.items()},
        "findings": found,
        "pairing": _pairing(found),
        "columns": summary_columns(*summaries.runs.values()),
        "summary_caption": CATALOGUE.summary_caption,
        "rows": _rows(summaries, first_layer),
        "caveats": caveats(summaries),
        "differences": difference_panels(found, summaries.conditions),
        "curves": [*curve_panels(summaries, first_layer), *equal_accuracy_panels(summaries)],
        "controls": control_panels(summaries, first_layer),
        "other_layers": _other_layers(summaries),
        "order_words": gathered[0].order_words if gathered else "",
        "mosaics": _mosaics(summaries, gathered),
        "answer": answer(summaries, first_layer, gathered),
        "field_keys": _field_keys(gathered),
        "key_colours": _key_colours(),
        "saturation": SATURATION,
        "explorer": _explorer(gathered),
        "profiles": [panel for each in gathered for panel in locality_panels(each)],
        "level_maps": _level_maps(gathered),
        "nulls": CATALOGUE.nulls,
        "connections": connection_panels(gathered),
        "stability": stability_panels(summaries),
        "overlaps": list(overlap_panels(summaries)),
        "transfers": transfer_panels(summaries),
        "over_training": training_panels(summaries),
        "cavity": cavity_panels(gathered),
        "numbers": _numbers(summaries),
        "version": metadata.version("sparsight"),
    }


def _pairing(found: Sequence[Finding]) -> str:
    """Return a sentence on how replicates are compared."""
    pairs = {cell.is_paired for finding in found for cell in finding.differences}
    if pairs == {True}:
        return "Differences are paired by seed."
    if pairs == {False}:
        return "Differences are between independent replicates, since no seed is shared."
    return (
        "Differences are paired by seed where seeds are shared, and between independent replicates elsewhere."
    )


def _rows(summaries: Summaries, layer: str) -> list[dict[str, Any]]:
    """Return the table by level: one cell per quantity of the summary, None where it was not measured."""
    tables = []
    for words in summary_columns(*summaries.runs.values()):
        table = summaries.intervals(words.name, words.layer(layer))
        tables.append({(row["condition"], row["level"]): row for row in table.to_dict("records")})
    return [
        {
            "condition": condition,
            "level": level,
            "density": summaries.density(condition, level),
            "cells": [table.get((condition, level)) for table in tables],
        }
        for condition in summaries.conditions
        for level in range(summaries.last_level(condition) + 1)
    ]


def _numbers(summaries: Summaries) -> list[dict[str, Any]]:
    """Return every interval that the curves show as plain rows, fit for JSON; NaN becomes None."""
    scopes = {words.name: words.scope for words in summaries.curves()}
    scopes |= {
        quantity: family.words.scope for family in CATALOGUE.families for quantity in family.lines.values()
    }
    rows: list[dict[str, Any]] = []
    for quantity, scope in scopes.items():
        for layer in (NETWORK,) if scope == "network" else summaries.layers:
            if summaries.has(quantity, layer):
                table = summaries.intervals(quantity, layer)
                rows += [
                    {"quantity": quantity, "layer": layer}
                    | {str(key): _plain(value) for key, value in row.items()}
                    for row in table.to_dict("records")
                ]
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _other_layers(summaries: Summaries) -> dict[str, list[Panel]]:
    return {
        layer: [
            *curve_panels(summaries, layer, with_network=False),
            *(panel for family in control_panels(summaries, layer, with_network=False) for panel in family),
        ]
        for layer in summaries.layers[1:]
    }


def _mosaics(summaries: Summaries, gathered: list[Evidence]) -> list[list[Picture]]:
    return [
        list(field_mosaics(each, functools.partial(summaries.density, each.condition)))
        for each in gathered
        if each.shows_fields
    ]


def _field_keys(gathered: list[Evidence]) -> dict[str, str]:
    """Return which key the receptive fields of each condition need: that of three channels, or of signs."""
    return {
        each.condition: "channels"
        if each.geometry.channels == 3 and len(each.geometry.size) == 2
        else "signs"
        for each in gathered
    }


def _key_colours() -> dict[str, str]:
    table = signed_table()
    rows = {"positive": table[-40], "negative": table[40], "zero": table[127], "pruned": PRUNED}
    return {name: f"rgb({', '.join(str(int(each)) for each in row)})" for name, row in rows.items()}


def _level_maps(gathered: list[Evidence]) -> list[dict[str, Any]]:
    """Return the maps of every condition and kind of pair."""
    return [
        {
            "condition": each.condition,
            "kind": words,
            "maps": maps,
            "has_stricter_null": (kind, "configuration", 0) in each.expected,
            "is_open": kind == "same_channel",
        }
        for each in gathered
        for kind, words in CATALOGUE.pair_kinds.items()
        if (maps := level_maps(each, kind))
    ]


def _explorer(gathered: list[Evidence]) -> dict[str, Any] | None:
    """Return the explorer's data for all conditions whose fields have the shape of the first's, if any."""
    shape_of = {
        each.condition: (each.geometry, each.packer.num_units) for each in gathered if each.packer is not None
    }
    if not shape_of:
        return None
    first = next(iter(shape_of.values()))
    shown = [name for name, shape in shape_of.items() if shape == first]
    return pack([each.packer for each in gathered if each.packer is not None and each.condition in shown]) | {
        "geometry": asdict(first[0]),
        "signed": signed_table().tolist(),
        "pruned": list(PRUNED),
        "leftOut": [each.condition for each in gathered if each.condition not in shown],
    }
