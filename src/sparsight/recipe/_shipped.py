"""The recipes that are shipped with the package, as text."""

from importlib import resources
from pathlib import Path


def shipped_recipes() -> dict[str, str]:
    """Return the TOML text of every shipped recipe, by name."""
    folder = resources.files("sparsight.recipe") / "shipped"
    return {
        Path(file.name).stem: file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }
