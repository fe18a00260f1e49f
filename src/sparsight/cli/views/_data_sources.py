"""Tables of `sparsight data`: which sources are installed, and what one of them contains."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from sparsight.data import availability, describe_task
from sparsight.recipe import DataSettings, merged, parse_override, validated


def availability_table() -> Table:
    """Return a table of all data sources and whether their files are installed."""
    table = Table(title="data sources")
    for heading in ("source", "here", "what"):
        table.add_column(heading, overflow="fold")
    for status in availability():
        table.add_row(status.name, "yes" if status.available else "no", status.what)
    return table


def description_table(source: str, overrides: Sequence[str] = (), seed: int = 0) -> Table:
    """Return a table that describes the data of one source; `overrides` are options, each ``key=value``.

    `seed` is that of sources that are drawn at random.
    """
    raw: dict[str, Any] = {"source": source}
    for override in overrides:
        raw = merged(raw, parse_override(override))
    settings = validated(DataSettings, raw, f"data source {source}")
    task = settings.build(seed)
    table = Table(title=f"{source} (seed {settings.seed_of_data(seed)})", show_header=False)
    for key, value in describe_task(task).items():
        table.add_row(key, str(value))
    return table
