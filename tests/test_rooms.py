"""The rooms: listed the same way in the contract and in the guides, and entered by their front door only."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "sparsight"
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
ROOMS = CONTRACT["layers"][::-1]  # import-linter lists them from the top


def test_every_module_and_package_belongs_to_a_room():
    modules = {path.stem for path in SOURCE.glob("*.py")}
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert modules - {"__init__"} | packages == set(ROOMS)


def test_contributing_lists_the_rooms_of_the_contract():
    listed = re.findall(r"^\d+\. (\w+)$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert listed == ROOMS


def test_the_architecture_page_describes_every_room_in_order():
    section = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## The rooms")[2]
    table = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(table)) == ROOMS


def imported_modules(path):
    """Yield every module, and every name that may be one, that a file imports from the package."""
    package = ("sparsight", *path.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def foreign_private_imports(path):
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return [
        name
        for name in imported_modules(path)
        if name.startswith("sparsight.")
        and name.split(".")[1] != room
        and any(part.startswith("_") for part in name.split(".")[2:])
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_private_module_of_another(room):
    files = sorted((SOURCE / room).rglob("*.py")) or [SOURCE / f"{room}.py"]
    found = {str(path.relative_to(SOURCE)): foreign_private_imports(path) for path in files}
    assert not {path: names for path, names in found.items() if names}


def test_a_private_import_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_rooms.SOURCE", tmp_path)
    intruder = tmp_path / "report" / "views" / "_page.py"
    intruder.parent.mkdir(parents=True)
    imports = (
        "from sparsight.store._lock import held",
        "import sparsight.run._plan",
        "from sparsight.store import Run",
        "from sparsight.measure import _nulls",
        "from ..._hidden import x",
        "from sparsight.report._panel import Panel",
        "from ...sweep._slurm import submit",
    )
    intruder.write_text("\n".join(imports))
    assert foreign_private_imports(intruder) == [
        "sparsight.store._lock",
        "sparsight.store._lock.held",
        "sparsight.run._plan",
        "sparsight.measure._nulls",
        "sparsight.sweep._slurm",
        "sparsight.sweep._slurm.submit",
    ]
