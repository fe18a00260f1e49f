"""Every code block of the README and the pages runs, in the order of its page; the names on them exist."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

import sparsight
import sparsight.recipe._recipe
from sparsight.data import SOURCES
from sparsight.instruments import INSTRUMENTS, NETWORK_INSTRUMENTS
from sparsight.prune.criteria._registry import CRITERIA

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES_WITH_CODE = (
    "tutorial",
    "science",
    "rules",
    "howto/data",
    "howto/network",
    "howto/criterion",
    "howto/masks",
    "howto/transfer",
    "howto/training-time",
    "howto/instrument",
    "howto/slurm",
    "howto/gpu",
)


@dataclass(frozen=True)
class Block:
    language: str
    title: str | None
    code: str


def blocks(path):
    found = []
    for match in FENCE.finditer(path.read_text(encoding="utf-8")):
        language, _, options = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', options)
        found.append(Block(language, title[1] if title else None, match["code"]))
    return found


def shell(code, folder):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = f"set -e\nsparsight() {{ '{sys.executable}' -m sparsight.cli \"$@\"; }}\n{code}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def registries():
    """What a page registers is forgotten after it."""
    known = (CRITERIA, INSTRUMENTS, NETWORK_INSTRUMENTS, SOURCES)
    before = [dict(registry) for registry in known]
    yield
    for registry, names in zip(known, before, strict=True):
        registry.clear()
        registry.update(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES_WITH_CODE)
def test_every_block_of_a_page_runs(name, tmp_path, monkeypatch, registries):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {"__name__": "__main__"}
    page = blocks(ROOT / "docs" / f"{name}.md")
    assert page
    for block in page:
        if (
            block.language == "console"
        ):  # needs a cluster (tests/sweep/test_slurm.py runs such commands), or hours
            continue
        assert block.language in ("python", "sh", "toml"), block.language
        if block.title:
            (tmp_path / block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.code, f"{name}.md", "exec"), names)
        elif block.language == "sh":
            shell(block.code, tmp_path)
        else:
            raise AssertionError(f"{name}.md: a TOML block needs a title to be used")


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(ROOT / "README.md"):
        if block.language == "python":
            exec(compile(block.code, "README.md", "exec"), {"__name__": "readme"})


def test_commands_that_the_readme_names_exist():
    from sparsight.cli._app import app

    shell_of_the_readme = "".join(
        block.code for block in blocks(ROOT / "README.md") if block.language == "sh"
    )
    named = set(re.findall(r"^sparsight ([a-z-]+)", shell_of_the_readme, re.MULTILINE))
    assert {"run", "report", "data"} <= named <= set(app)


def test_no_page_has_blocks_that_nobody_runs():
    """Other pages are prose, or generated."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        if name not in PAGES_WITH_CODE:
            assert {block.language for block in blocks(path)} <= {"", "text", "console"}, name


def test_every_shipped_recipe_and_public_name_is_documented():
    reference = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    missing = [name for name in sparsight.__all__ if name not in reference]
    assert not [name for name in missing if not name.endswith("Settings")]
    shipped = list((ROOT / "src/sparsight/recipe/shipped").glob("*.toml"))
    assert len(shipped) >= 6
    for path in shipped:
        assert tomllib.loads(path.read_text(encoding="utf-8"))["question"]


def test_files_that_the_pages_name_exist():
    there = [
        path.as_posix()
        for folder in ("src", "tests", "docs", "benchmarks")
        for path in (ROOT / folder).rglob("*")
    ]
    named = set()
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        if path.name != "changelog.md":
            found = re.findall(r"`((?:\w+/)+\w+\.(?:py|pyi|toml|md))\b", path.read_text(encoding="utf-8"))
            named |= {(path.name, name) for name in found}
    assert len(named) > 30
    assert not [pair for pair in sorted(named) if not any(each.endswith(f"/{pair[1]}") for each in there)]


def test_names_of_the_package_on_the_pages_exist_and_are_public():
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for name in set(re.findall(r"\bsparsight(?:\.\w+)+", path.read_text(encoding="utf-8"))):
            parts = name.split(".")
            assert not any(part.startswith("_") for part in parts[1:]), f"{path.name}: {name}"
            found = sparsight
            for depth, part in enumerate(parts[1:], 2):
                if not hasattr(found, part):
                    importlib.import_module(".".join(parts[:depth]))
                found = getattr(found, part)


def test_pages_name_each_other_only_where_they_are():
    """Links between pages; mkdocs checks them again, strictly."""
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not target.startswith(("http", "mailto")):
                assert (path.parent / target).exists(), f"{path.name}: {target}"
