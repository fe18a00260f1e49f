"""The help shows text as it is written: angle brackets, square brackets, stars and underscores."""

import inspect
import io
import subprocess
import sys

import pytest
from cyclopts import App
from rich.console import Console

from sparsight.cli._app import app


def commands(of, path=()):
    """Every command and its path, subcommands included."""
    for name in of:
        if not name.startswith("-"):
            yield (*path, name), of[name]
            if not of[name].default_command or any(not each.startswith("-") for each in of[name]):
                yield from commands(of[name], (*path, name))


COMMANDS = dict(commands(app))
HOSTILE = "Write <RUN>/<LEVEL>.png, [red]a[/red] *b* _c_ __d__ [e](f) and `g`; see <b>h</b> :smile: & 1 < 2."


def helped(of, *path):
    console = Console(file=io.StringIO(), width=200, color_system=None)
    of.help_print([*path], console=console)
    return " ".join(console.file.getvalue().replace("│", " ").split())


def test_there_are_commands_and_subcommands():
    assert {("run",), ("show",), ("sweep", "draw"), ("import-peer",)} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_first_line_of_every_command_is_in_its_help_word_by_word(path):
    command = COMMANDS[path]
    text = command.help if command.default_command is None else inspect.getdoc(command.default_command)
    first = (text or command.help).partition("\n\n")[0]
    assert " ".join(first.split()) in helped(app, *path) or command.help in helped(app, *path)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_the_format_that_keeps_what_looks_like_markup(path):
    """The text of a command is replaced by one in which every kind of markup occurs."""
    command = COMMANDS[path]
    before = command.help
    try:
        command.help = HOSTILE
        assert HOSTILE in helped(app, *path)
    finally:
        command.help = before


def test_parameters_keep_it_too_and_markdown_would_not():
    def command(run: str, *, level: int = 0) -> None:
        """Show a level.

        Parameters
        ----------
        run
            Folder <RUN>, as in runs/<NAME>.
        level
            Number [0 is dense] of the *level*.
        """

    ours, markdown = App(help_format=app.help_format), App(help_format="markdown")
    for each in (ours, markdown):
        each.command(command)
    text = helped(ours, "command")
    for part in ("Folder <RUN>, as in runs/<NAME>.", "Number [0 is dense] of the *level*."):
        assert part in text
    assert "<RUN>" not in helped(markdown, "command")


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "nlgp-1d"], ["--help"], ["sweep", "--help"]])
def test_what_needs_no_torch_does_not_import_it(arguments):
    code = (
        "import sys; from sparsight.cli._app import app; "
        f"app({arguments!r}, result_action='return_value'); "
        "assert not {'torch', 'scipy.stats', 'pandas'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


LOOKING = [
    (["status", "{run}"], {"torch", "scipy", "pandas", "matplotlib", "numba", "xarray"}),
    (["show", "{run}"], {"torch", "scipy.stats", "matplotlib", "numba", "xarray"}),
    (["show", "{run}", "--levels"], {"torch", "scipy.stats", "matplotlib", "numba", "xarray"}),
]


@pytest.mark.parametrize("damage", [False, True], ids=["whole", "with a damaged level"])
@pytest.mark.parametrize(("arguments", "unneeded"), LOOKING, ids=["status", "show", "show --levels"])
def test_looking_at_runs_imports_nothing_that_trains_or_draws(short_copy, arguments, unneeded, damage):
    """The run's data source is not even registered there."""
    if damage:
        (short_copy / "imp" / "replicate_000" / "level_001" / "weights.safetensors").write_bytes(b"no arrays")
    given = [each.format(run=short_copy) for each in arguments]
    code = (
        "import sys; from sparsight.cli._app import app; "
        f"app({given!r}, result_action='return_value'); "
        f"print(sorted({unneeded!r} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "[]"
    assert "imp" in answer.stdout or "finished" in answer.stdout
