"""The report: one HTML file that opens from disk and asks nothing of the network."""

from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sparsight.report.caveats import caveats
from sparsight.report.evidence import Evidence, gather
from sparsight.report.explorer import pack
from sparsight.report.field_figures import SATURATION
from sparsight.report.findings import Summaries, findings
from sparsight.report.palette import CONDITION_COLOURS, looks, signed_table
from sparsight.report.panels import (
    cavity_panels,
    connection_panels,
    control_panels,
    curve_panels,
    interval_rows,
    locality_panels,
    mosaics,
)
from sparsight.report.summary import COLUMNS
from sparsight.run.atomic import write_atomically
from sparsight.run.recipe import load_recipe, shipped_recipes
from sparsight.run.results import NETWORK, Run


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
    path = run.directory.report
    write_atomically(path, render(run).encode())
    return path


def render(run: Run) -> str:
    """Return the page as text. Every string from the run is escaped."""
    environment = Environment(
        loader=PackageLoader("sparsight.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2").render(_content(run))


def _content(run: Run) -> dict[str, Any]:
    summaries = Summaries(run)
    first_layer = summaries.layers[0] if summaries.layers else NETWORK
    level = summaries.last_common_level()
    gathered = [gather(run, name, first_layer, level or 0) for name in summaries.conditions]
    found = findings(summaries, first_layer)
    return {
        "recipe": run.recipe,
        "digest": run.recipe.digest(),
        "question": [line for line in run.recipe.question.strip().splitlines() if line.strip()],
        "conditions": summaries.conditions,
        "looks": looks(summaries.conditions),
        "num_colours": len(CONDITION_COLOURS),
        "layer": first_layer,
        "level": level,
        "densities": {name: summaries.density(name, level or 0) for name in summaries.conditions},
        "findings": found,
        "columns": COLUMNS,
        "rows": _rows(summaries, first_layer),
        "caveats": caveats(run, summaries),
        "curves": curve_panels(summaries, first_layer),
        "controls": control_panels(summaries, first_layer),
        "other_layers": _other_layers(summaries),
        "order_words": gathered[0].order_words if gathered else "",
        "mosaics": _mosaics(summaries, gathered),
        "has_three_channels": any(each.geometry.channels == 3 for each in gathered),
        "saturation": SATURATION,
        "explorer": _explorer(gathered),
        "locality": [panels for each in gathered if (panels := locality_panels(each))],
        "connections": connection_panels(gathered, level or 0),
        "cavity": cavity_panels(gathered),
        "numbers": interval_rows(summaries, summaries.layers),
        **_how(run),
    }


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


def _explorer(gathered: list[Evidence]) -> dict[str, Any] | None:
    packers = [each.packer for each in gathered if each.packer is not None]
    if not packers or len({each.geometry for each in gathered}) > 1:
        return None
    if len({packer.num_units for packer in packers}) > 1:
        return None
    return pack(packers) | {"geometry": asdict(gathered[0].geometry), "signed": signed_table().tolist()}


def _how(run: Run) -> dict[str, Any]:
    facts: dict[str, list[str]] = {}
    cards: dict[str, dict[str, Any]] = {}
    for name in run.recipe.condition_names():
        card = run.directory.task_facts(name, 0)
        facts.setdefault(repr(card), []).append(name)
        cards[repr(card)] = card
    shipped = run.recipe.name in shipped_recipes()
    return {
        "cards": [(", ".join(names), cards[key]) for key, names in facts.items() if cards[key]],
        "toml": (run.path / "recipe.toml").read_text(encoding="utf-8"),
        "is_shipped": shipped and load_recipe(run.recipe.name).digest() == run.recipe.digest(),
        "environment": run.directory.environment(),
        "seconds": _seconds(run),
        "version": metadata.version("sparsight"),
    }


def _seconds(run: Run) -> dict[str, float]:
    pages = [page for unit in run.directory.units() for page in run.directory.pages(*unit)]
    return {kind: sum(page[f"{kind}_seconds"] for page in pages) for kind in ("train", "measure")}
