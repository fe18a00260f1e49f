"""Terminals without Greek letters, and files that would steer one: all commands print, and none obeys."""

import io
import json
import re
import shutil
import sys

import pytest
from rich.table import Table

from sparsight.cli import main
from sparsight.cli._terminal import terminal
from sparsight.store import write_sealed
from sparsight.store._run_directory import FAILURE

ESCAPE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"


@pytest.fixture
def run(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    return tmp_path / "run"


def call(monkeypatch, encoding, *arguments):
    """Run a command on a terminal of an encoding; return its exit status and the bytes of both outputs."""
    raw = [io.BytesIO(), io.BytesIO()]
    streams = [io.TextIOWrapper(each, encoding=encoding) for each in raw]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        for stream in streams:
            stream.flush()
    return ended.value.code, *(each.getvalue() for each in raw)


COMMANDS = {
    "help": ["--help"],
    "run --help": ["run", "--help"],
    "report": ["report", "RUN"],
    "report --levels": ["report", "RUN", "--levels"],
    "measure": ["measure", "RUN", "--instruments", "cavity"],
    "run": ["run", "RUN/recipe.toml", "--out", "RUN", "--jobs", "1"],
    "status": ["status", "RUN"],
    "check": ["check", "RUN"],
    "figures": ["figures", "RUN", "--format", "svg"],
    "movie": ["movie", "RUN"],
    "export": ["export", "RUN", "--out", "RUN/x.safetensors"],
    "recipes": ["recipes"],
    "recipes NAME": ["recipes", "photographs"],
    "data": ["data"],
    "data NAME": ["data", "nlgp", "--set", "size=[128]", "--set", "num_train=20", "--set", "num_test=20"],
    "data of no source": ["data", "κ-fields"],
    "reproduce": ["reproduce"],
    "a mistake": ["report", "κ-μ"],
}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_what_the_terminal_can_show(run, monkeypatch, name, encoding):
    arguments = [each.replace("RUN", str(run)) for each in COMMANDS[name]]
    status, output, errors = call(monkeypatch, encoding, *arguments)
    assert b"Traceback" not in errors
    assert status == (2 if name in ("a mistake", "data of no source") else 0)
    if name == "recipes NAME":
        assert output.decode("utf-8")
        return
    (output + errors).decode(encoding)
    assert len(output + errors) > 10


def test_the_report_is_written_and_its_columns_stay_aligned(run, monkeypatch):
    (run / "report.html").unlink(missing_ok=True)
    status, output, _ = call(monkeypatch, "ascii", "report", run)
    assert status == 0
    assert "κ" in (run / "report.html").read_text(encoding="utf-8")
    assert b"kappa" in output or b"share" in output


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_cells_are_laid_out_as_they_will_be_printed(monkeypatch, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        table = Table(title=f"title {ESCAPE}")
        for heading in ("κ", f"Δκ{ESCAPE}", "last"):
            table.add_column(heading)
        table.add_row("1", "±2…", "end")
        terminal().print(table, f"line {ESCAPE}")
        stream.flush()
    text = raw.getvalue().decode(encoding)
    assert not set(text) & set(ESCAPE) - set("]0;title[2J31m")
    row, heading = (next(line for line in text.splitlines() if word in line) for word in ("end", "last"))
    assert row.index("end") == heading.index("last")


def obeyed(output):
    return re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]", output)


def test_what_a_foreign_run_says_does_not_steer_the_terminal(run, monkeypatch):
    replicate = next(run.glob("*/replicate_000"))
    write_sealed(replicate / FAILURE, {"message": f"no {ESCAPE}"})
    facts = {"host": f"host{ESCAPE}", "pid": 1, "since": f"2020{ESCAPE}"}
    (run / ".writer.json").write_text(json.dumps(facts))
    record = json.loads((replicate / "level_000" / "level.json").read_text())
    record[f"key{ESCAPE}"] = f"value{ESCAPE}"
    write_sealed(replicate / "level_000" / "level.json", record)
    for command in (
        ["status", run],
        ["check", run],
        ["report", run],
        ["run", run / "recipe.toml", "--out", run],
    ):
        _, output, errors = call(monkeypatch, "utf-8", *command)
        assert not obeyed(output), command
        assert not obeyed(errors), command


def test_keys_of_foreign_recipes_and_sweeps_do_not_either(tmp_path, monkeypatch):
    key = json.dumps(f"key{ESCAPE}")
    (tmp_path / "a.toml").write_text(f"question = 'x'\n[data]\nsource = 'fields'\n{key} = {key}\n")
    (tmp_path / "b.toml").write_text(f"recipe = {key}\n[grid]\n{key} = [{key}]\n")
    (tmp_path / "sweep").mkdir()
    write_sealed(tmp_path / "sweep" / "sweep.json", {"name": "x", "fields": [f"f{ESCAPE}"], "cases": []})
    for command in (["run", "a.toml"], ["sweep", "b.toml"], ["sweep", "status", "sweep"]):
        *words, path = command
        _, output, errors = call(monkeypatch, "utf-8", *words, tmp_path / path)
        assert output + errors
        assert not obeyed(output), command
        assert not obeyed(errors), command


def test_a_full_disk_behind_standard_output_is_named(monkeypatch, capfd):
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            main(["recipes"])
    assert ended.value.code == 2
    assert capfd.readouterr().err == "sparsight: standard output: No space left on device\n"
