"""One unreadable run or file does not hide the others from ``status`` and ``check``."""

import json
import shutil

import pytest

from sparsight.cli import main
from sparsight.store import RECIPE, write_sealed


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    printed = capsys.readouterr()
    return ended.value.code, printed.out + printed.err


@pytest.mark.parametrize("damage", ["not TOML", "empty", "a folder", "another recipe", "a newer version"])
def test_status_of_a_folder_lists_the_runs_beside_an_unreadable_one(short_run, tmp_path, capsys, damage):
    for name in ("good", "bad", "later"):
        shutil.copytree(short_run, tmp_path / name)
    recipe = tmp_path / "bad" / RECIPE
    if damage == "a folder":
        recipe.unlink()
        recipe.mkdir()
    elif damage == "a newer version":
        path = tmp_path / "bad" / "environment.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    else:
        other = recipe.read_text().replace("seed = 7", "seed = 8")
        text = {"not TOML": "]", "empty": "", "another recipe": other}
        recipe.write_text(text[damage])
    status, text = said(capsys, "status", tmp_path)
    assert status == 1
    lines = text.splitlines()
    assert sum("finished" in line for line in lines) == 2
    assert any("not listed: " in line and str(tmp_path / "bad") in line for line in lines)
    assert "Traceback" not in text


def test_status_of_readable_runs_ends_with_0(short_run, tmp_path, capsys):
    shutil.copytree(short_run, tmp_path / "good")
    assert said(capsys, "status", tmp_path)[0] == 0


def test_check_reports_every_file_that_cannot_be_read(short_copy, capsys):
    """A level of a newer version, a folder in place of a file, a missing file, and a damaged one."""
    replicate = short_copy / "imp" / "replicate_000"
    record = replicate / "level_000" / "level.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"format_version": 99}))
    (replicate / "level_001" / "weights.safetensors").write_bytes(b"")
    masks = replicate / "level_002" / "masks.safetensors"
    masks.unlink()
    masks.mkdir()
    (short_copy / "random" / "replicate_000" / "level_001" / "measures.safetensors").unlink()
    (short_copy / "placement.json").write_text("{")
    status, text = said(capsys, "check", short_copy)
    assert status == 1
    for part in (
        "has format 99",
        "level_001/weights.safetensors is damaged",
        "level_002/masks.safetensors is missing",
        "level_001/measures.safetensors is missing",
        "placement.json is missing or damaged",
        "random, replicate 0: last good level 2",
        ": 4 damaged, 1 of a newer version",
    ):
        assert part in text, part


def test_check_goes_on_without_a_recipe(short_copy, capsys):
    (short_copy / RECIPE).write_text("]")
    write_sealed(short_copy / "placement.json", {"jobs": 1})
    (short_copy / "imp" / "replicate_000" / "level_001" / "weights.safetensors").write_bytes(b"")
    (short_copy / "random" / "replicate_000" / "task.json").write_text("{")
    status, text = said(capsys, "check", short_copy)
    assert status == 1
    assert "level_001/weights.safetensors is damaged" in text
    assert "task.json is missing or damaged" in text
    assert text.splitlines()[-1].endswith("3 damaged")


def test_check_of_what_is_no_folder_says_so(tmp_path, capsys):
    status, text = said(capsys, "check", tmp_path / "none")
    assert status == 2
    assert "holds no run" in text
