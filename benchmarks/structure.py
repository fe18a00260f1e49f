"""Count what makes a code base easy or hard to walk into: ``python -m benchmarks.structure [FOLDER …]``.

It reads the source as text and runs none of it, so it takes any Python package, ours or a peer's.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LONG_BODY = 60
MANY_PARAMETERS = 8
MANY_POSITIONAL = 6

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One parsed file.

    Attributes
    ----------
    path : Path
        Relative to the folder that is counted.
    text : str
    tree : ast.Module
    """

    path: Path
    text: str
    tree: ast.Module

    @property
    def num_lines(self) -> int:
        """Lines of the file, blank ones and docstrings included."""
        return len(self.text.splitlines())


def read_sources(folder: Path) -> list[Source]:
    """Return every Python file below `folder`, parsed."""
    sources = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        sources.append(Source(path=path.relative_to(folder), text=text, tree=ast.parse(text)))
    return sources


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body, nested functions included, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def num_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function takes, `self` and `cls` not counted."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def public_names(folder: Path) -> set[tuple[str, str]]:
    """Return the names that can be imported by a path without an underscore, each with its room.

    A public module counts with the functions, classes and constants that it defines, a package also with the
    names that its ``__init__`` imports under their own name, or its stub if it loads them lazily. A name that
    the top level takes from a room counts once.
    """
    names: set[tuple[str, str]] = set()
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("__init__.pyi")]):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(part.startswith("_") and not part.startswith("__") for part in parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, home in _module_level(tree, with_exports=path.stem == "__init__"):
            room = home.lstrip(".").split(".")[0] if path.suffix == ".pyi" and len(parts) == 1 else parts[0]
            if not name.startswith("_"):
                names.add((room, name))
    return names


def _module_level(tree: ast.Module, *, with_exports: bool) -> Iterator[tuple[str, str]]:
    """Yield the names that a module binds, each with the module it was imported from, empty if defined."""
    for node in tree.body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name, ""
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from ((name.id, "") for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, ""
        elif isinstance(node, ast.ImportFrom) and with_exports:
            yield from ((alias.name, str(node.module)) for alias in node.names if alias.asname == alias.name)


def comment_share(sources: list[Source]) -> float:
    """Return comments per 100 lines of code. Docstrings and directives such as ``noqa`` do not count."""
    num_comments = num_code = 0
    for source in sources:
        documented = _docstring_lines(source.tree)
        code: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type == tokenize.COMMENT:
                words = token.string.lstrip("# ")
                num_comments += not words.startswith(("noqa", "type:", "pragma", "fmt:", "!"))
            elif token.type not in _NOT_CODE:
                code.update(range(token.start[0], token.end[0] + 1))
        num_code += len(code - documented)
    return 100 * num_comments / max(num_code, 1)


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        # A string that stands alone documents what it belongs to, or the constant above it.
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def room_shares(sources: list[Source]) -> dict[str, float]:
    """Return each room's share of all lines, the largest first; top-level files count as a room each."""
    lines: Counter[str] = Counter()
    for source in sources:
        lines[source.path.parts[0]] += source.num_lines
    total = sum(lines.values())
    return {room: number / total for room, number in lines.most_common()}


def counts(folder: Path) -> dict[str, str]:
    """Return every count of the Python package in `folder`, in words."""
    sources = read_sources(folder)
    lengths = [source.num_lines for source in sources]
    nodes = [node for source in sources for node in ast.walk(source.tree)]
    functions = [node for node in nodes if isinstance(node, _FUNCTIONS)]
    parameters = [num_parameters(function) for function in functions]
    positional = [len(node.args) for node in nodes if isinstance(node, ast.Call)]
    room, share = next(iter(room_shares(sources).items()))
    return {
        "lines": str(sum(lengths)),
        "files / median / biggest": f"{len(lengths)} / {statistics.median(lengths):.0f} / {max(lengths)}",
        f"bodies over {LONG_BODY} lines": str(sum(body_length(each) > LONG_BODY for each in functions)),
        f"functions with ≥ {MANY_PARAMETERS} parameters (most)": (
            f"{sum(number >= MANY_PARAMETERS for number in parameters)} ({max(parameters)})"
        ),
        "public module-level names": str(len(public_names(folder))),
        "comments per 100 code lines": f"{comment_share(sources):.1f}",
        f"calls with ≥ {MANY_POSITIONAL} positional arguments": str(
            sum(number >= MANY_POSITIONAL for number in positional)
        ),
        "biggest room": f"{room}, {100 * share:.1f} %",
    }


def main(folders: list[str]) -> None:
    """Print a Markdown table with a column for each folder."""
    paths = [Path(folder) for folder in folders] or [Path(__file__).parents[1] / "src" / "sparsight"]
    columns = [counts(path) for path in paths]
    print(f"| | {' | '.join(path.name for path in paths)} |")
    print("| --- |" + " --- |" * len(paths))
    for row in columns[0]:
        print(f"| {row} | {' | '.join(column[row] for column in columns)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
