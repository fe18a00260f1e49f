"""Nothing that is shipped calls what would run a file's content, or guesses a temporary name."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("src", "benchmarks", "docs") for path in (REPOSITORY / folder).rglob("*.py")
)

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml"}
FORBIDDEN = {
    *(f"{module}.{name}" for module in MODULES for name in ("load", "loads", "Unpickler")),
    *("pickle._Unpickler", "shelve.open", "joblib.load"),
    "pandas.read_pickle",
    *("eval", "exec", "builtins.eval", "builtins.exec", "compile", "__import__"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    "tempfile.mktemp",
}  # fmt: skip


def unsafe_calls(source):
    """Return (line, what) of every call in `source` that could run what it reads."""
    found = []
    imported = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found += [(0, f"import {name}") for name in imported.values() if name.partition(".")[0] in MODULES]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            name = imported.get(first, first) + ("." + rest if rest else "")
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            is_unsafe = (
                name in FORBIDDEN
                or (name == "torch.load" and keywords.get("weights_only") != "True")
                or keywords.get("allow_pickle", "False") != "False"
                or keywords.get("shell", "False") != "False"
            )
            if is_unsafe:
                found.append((node.lineno, ast.unparse(node)))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_file_makes_an_unsafe_call(path):
    assert unsafe_calls(path.read_text(encoding="utf-8")) == []


def test_there_are_files_to_look_at():
    assert len(FILES) > 80


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as c\nc.load(f)",
        "import torch\ntorch.load(path)",
        "from torch import load\nload(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "eval(text)",
        "exec(text)",
        "import yaml\nyaml.load(text)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=flag)",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "import os\nos.system(command)",
        "import tempfile\ntempfile.mktemp()",
        "from tempfile import mktemp as name\nname()",
        "import joblib\njoblib.load(path)",
        "import pandas as pd\npd.read_pickle(path)",
    ],
)
def test_the_search_finds_each_of_them(source):
    assert unsafe_calls(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "network.eval()",
        "import json\njson.load(file)",
        "import re\nre.compile(text)",
    ],
)
def test_the_search_lets_others_be(source):
    assert not unsafe_calls(source)
