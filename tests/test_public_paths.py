"""Whatever takes a path takes it as text too: read from the sources, so that no function is forgotten."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "sparsight"
ROOMS = ("recipe", "figures", "interchange", "report", "run", "store", "sweep")
INTERNAL = {
    "store": (
        *("write_", "read_", "set_", "check_", "owner_", "refuse_", "forget_", "recorded_", "exclusive_"),
        "holds_others",
        "newer_files",
    ),
    "recipe": ("read_toml",),
    "run": ("stopping_on_signals", "request_stop", "stop_request_in", "run_replicates"),
}  # fmt: skip
"""Room → the beginnings of names that it offers to other rooms and not to users."""


def public_parameters():
    """Yield room, function, parameter and annotation of every function that a room offers to users."""
    for room in ROOMS:
        faces = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / room).glob("__init__.py*"))
        names = set(re.findall(r" as (\w+)", faces))
        names = {name for name in names if not name.startswith(INTERNAL.get(room, ("/",)))}
        for path in sorted((SOURCE / room).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name in names:
                    for each in (
                        *node.args.posonlyargs,
                        *node.args.args,
                        node.args.vararg,
                        *node.args.kwonlyargs,
                    ):
                        if each is not None and each.annotation is not None:
                            yield room, node.name, each.arg, ast.unparse(each.annotation)


def test_every_public_path_may_be_text():
    paths = [
        each
        for each in public_parameters()
        if re.search(r"\bPath\b", each[-1]) and "Callable" not in each[-1]
    ]
    assert {name for _, name, _, _ in paths} >= {
        "run_recipe",
        "write_report",
        "read_state",
        "plan_sweep",
        "load_recipe",
    }
    assert not [each for each in paths if not re.search(r"\bstr\b", each[-1])]
