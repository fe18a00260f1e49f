"""Damage of any kind is found, named, and mended to the bit."""

import json
import random
import shutil
from pathlib import Path

import pytest

from sparsight.cli import main
from sparsight.errors import InputError, NewerFormatError
from sparsight.run import run_recipe
from sparsight.store import (
    RECIPE,
    RunDirectory,
    check_replicate,
    check_run,
    open_run,
    run_state,
    set_aside_damaged,
    write_sealed,
)
from sparsight.store._level_files import MASKS, MEASURES, WEIGHTS
from sparsight.store._level_record import RECORD
from sparsight.store._run_directory import ENVIRONMENT, FAILURE, PLACEMENT, TASK
from sparsight.store._sealed_json import FORMAT_VERSION
from tests.run.run_digests import digests


def flip_bit(path, position, bit=4):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])


def problems(path):
    whole, replicates = check_run(RunDirectory.open(path))
    return whole + [problem for health in replicates for problem in health.problems]


def without_what_was_set_aside(path):
    for folder in path.rglob("*.damaged"):
        shutil.rmtree(folder)
    return digests(path)


def test_an_undamaged_run_is_whole_and_finished(short_run):
    whole, replicates = check_run(RunDirectory.open(short_run))
    assert whole == []
    assert [(health.num_stored, health.last_good, health.problems) for health in replicates] == [
        (3, 2, ())
    ] * 2
    assert all(health.is_finished and not health.remedy for health in replicates)


@pytest.mark.parametrize("file", [WEIGHTS, MASKS, RECORD])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_damaged_level_and_those_after_it_are_set_aside_and_computed_again(
    short_recipe, short_copy, file, level
):
    before = digests(short_copy)
    damaged = short_copy / "imp" / "replicate_000" / f"level_{level:03d}" / file
    flip_bit(damaged, damaged.stat().st_size // 2)
    health = check_replicate(RunDirectory.open(short_copy), "imp", 0)
    assert health.last_good == (level - 1 if level else None)
    assert str(damaged) in health.problems[0]
    assert health.remedy == f"set aside what is stored from level {level} on and train it again"
    run_recipe(short_recipe, short_copy, jobs=1)
    aside = damaged.parent.with_name(f"{damaged.parent.name}.damaged")
    assert (aside / file).is_file()
    assert without_what_was_set_aside(short_copy) == before


def test_setting_levels_aside_can_be_interrupted(short_copy, monkeypatch):
    directory = RunDirectory.open(short_copy)
    flip_bit(short_copy / "imp" / "replicate_000" / "level_000" / WEIGHTS, 200)
    health = check_replicate(directory, "imp", 0)
    rename, done = Path.rename, []

    def rename_once(path, target):
        if done:
            raise KeyboardInterrupt
        done.append(path.name)
        return rename(path, target)

    with monkeypatch.context() as context:
        context.setattr(Path, "rename", rename_once)
        with pytest.raises(KeyboardInterrupt):
            set_aside_damaged(directory, health)
    assert done == ["level_002"]
    again = check_replicate(directory, "imp", 0)
    assert (again.num_stored, again.last_good) == (2, None)
    aside = set_aside_damaged(directory, again)
    assert [path.name for path in aside] == ["level_000.damaged", "level_001.damaged"]
    assert check_replicate(directory, "imp", 0).num_stored == 0


@pytest.mark.parametrize("damage", [lambda path: flip_bit(path, 100), lambda path: path.unlink()])
def test_damaged_measures_are_made_again_without_training(short_recipe, short_copy, damage):
    before = digests(short_copy)
    folder = short_copy / "random" / "replicate_000" / "level_001"
    trained_at = (folder / WEIGHTS).stat().st_mtime_ns
    damage(folder / MEASURES)
    health = check_replicate(RunDirectory.open(short_copy), "random", 0)
    assert (health.last_good, health.unmeasured) == (2, (1,))
    assert health.remedy == "measure level 1 again"
    run_recipe(short_recipe, short_copy, jobs=1)
    assert digests(short_copy) == before
    assert (folder / WEIGHTS).stat().st_mtime_ns == trained_at
    assert not list(short_copy.rglob("*.damaged"))


def level_of(run, condition, index):
    return run / condition / "replicate_000" / f"level_{index:03d}"


def copy_level(source, target):
    shutil.rmtree(target)
    shutil.copytree(source, target)


def with_seed(run, seed):
    page = level_of(run, "imp", 1) / RECORD
    write_sealed(page, json.loads(page.read_text()) | {"seed": seed})


MISPLACED = {
    "another level": (
        lambda run: copy_level(level_of(run, "imp", 2), level_of(run, "imp", 1)), "it is of level 2"
    ),
    "another condition": (
        lambda run: copy_level(level_of(run, "random", 1), level_of(run, "imp", 1)),
        "condition is 'random' there and 'imp' here",
    ),
    "another seed": (lambda run: with_seed(run, 12), "its seed is 12"),
}  # fmt: skip


@pytest.mark.parametrize(("move", "words"), MISPLACED.values(), ids=MISPLACED)
def test_a_level_of_another_place_is_told_and_computed_again(short_recipe, short_copy, move, words):
    before = digests(short_copy)
    move(short_copy)
    found = problems(short_copy)
    assert any(words in problem for problem in found), found
    assert check_replicate(RunDirectory.open(short_copy), "imp", 0).last_good == 0
    run_recipe(short_recipe, short_copy, jobs=1)
    assert without_what_was_set_aside(short_copy) == before


def test_masks_that_the_level_before_did_not_leave_are_told(short_copy):
    # A level of another run may have every name right: only its masks tell.
    folder, other = level_of(short_copy, "imp", 1), level_of(short_copy, "random", 1)
    for name in (MASKS, WEIGHTS, MEASURES):
        shutil.copy(other / name, folder / name)
    mine, theirs = (json.loads((each / RECORD).read_text()) for each in (folder, other))
    write_sealed(folder / RECORD, theirs | {"identity": mine["identity"]})
    assert any("other masks than level 0 left" in problem for problem in problems(short_copy))


def test_swapped_conditions_are_told_and_refused(short_recipe, short_copy):
    (short_copy / "imp").rename(short_copy / "x")
    (short_copy / "random").rename(short_copy / "imp")
    (short_copy / "x").rename(short_copy / "random")
    assert any("condition is 'random' there and 'imp' here" in problem for problem in problems(short_copy))
    with pytest.raises(InputError, match="begun with other settings"):
        run_recipe(short_recipe, short_copy, jobs=1)
    assert not list(short_copy.rglob("*.damaged"))


def test_a_missing_environment_is_told_and_made_again(short_recipe, short_copy):
    (short_copy / ENVIRONMENT).unlink()
    assert f"{short_copy / ENVIRONMENT} is missing" in problems(short_copy)[0]
    run_recipe(short_recipe, short_copy, jobs=1)
    assert problems(short_copy) == []


def test_a_gap_between_levels_is_told_and_closed(short_recipe, short_copy):
    before = digests(short_copy)
    shutil.rmtree(short_copy / "imp" / "replicate_000" / "level_001")
    found = problems(short_copy)
    assert len(found) == 1
    assert "level_002 is cut off: level 1, before it, is missing" in found[0]
    run_recipe(short_recipe, short_copy, jobs=1)
    assert digests(short_copy) == before


def test_a_changed_recipe_is_not_taken_for_the_one_that_made_the_run(short_copy):
    source = short_copy / RECIPE
    source.write_text(source.read_text().replace("steps = 30", "steps = 31"))
    with pytest.raises(InputError, match="is not the recipe that made this run: put the original back"):
        open_run(short_copy)


def test_a_damaged_environment_is_told_and_replaced(short_recipe, short_copy):
    flip_bit(short_copy / ENVIRONMENT, 40)
    assert str(short_copy / ENVIRONMENT) in problems(short_copy)[0]
    run_recipe(short_recipe, short_copy, jobs=1)
    assert problems(short_copy) == []
    assert (short_copy / f"{ENVIRONMENT}.damaged").is_file()


def test_a_run_killed_before_its_recipe_was_written_can_begin_again(short_recipe, short_copy):
    for entry in short_copy.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != ENVIRONMENT:
            entry.unlink()
    (short_copy / f".{RECIPE}.4711.tmp").write_text("question = ")
    run_recipe(short_recipe, short_copy, jobs=1)
    assert problems(short_copy) == []
    assert not list(short_copy.rglob("*.tmp"))


def stored_files(path):
    return sorted(
        file for file in path.rglob("*") if file.is_file() and file.name not in (".lock", "report.html")
    )


@pytest.mark.parametrize("kind", ["bit", "cut"])
def test_every_stored_file_is_guarded_at_random_offsets(short_run, tmp_path, kind):
    """A damaged byte anywhere is reported, unless what is read is the same all the same."""
    stream = random.Random(20)
    files = stored_files(short_run)
    assert {file.name for file in files} >= {WEIGHTS, MASKS, MEASURES, RECORD, RECIPE, ENVIRONMENT, TASK}
    path = tmp_path / "run"
    shutil.copytree(short_run, path)
    for file in files:
        mine = path / file.relative_to(short_run)
        for _ in range(6):
            if kind == "bit":
                flip_bit(mine, stream.randrange(file.stat().st_size), stream.randrange(8))
            else:
                truncate(mine, stream.randrange(file.stat().st_size))
            try:
                found = problems(path)
            except InputError as error:
                found = [str(error)]
            assert any(str(mine) in problem or mine.name in problem for problem in found) or (
                file.suffix == ".json" and json.loads(mine.read_bytes()) == json.loads(file.read_bytes())
            ), mine
            shutil.copy(file, mine)


def made_newer(file):
    content = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(content | {"format_version": 99, "sha256": "of another kind"}))


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "file",
    [
        f"imp/replicate_000/level_000/{RECORD}",
        f"imp/replicate_000/level_002/{RECORD}",
        f"imp/replicate_000/{TASK}",
        f"imp/replicate_000/{FAILURE}",
        ENVIRONMENT,
        PLACEMENT,
    ],
)
def test_a_newer_format_is_refused_and_nothing_is_set_aside_or_replaced(
    short_recipe, short_copy, capsys, file
):
    made_newer(short_copy / file)
    before = contents(short_copy)
    with pytest.raises(
        NewerFormatError, match=f"{file} has format 99; this sparsight reads up to {FORMAT_VERSION}"
    ):
        run_recipe(short_recipe, short_copy, jobs=1)
    assert contents(short_copy) == before
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(short_copy)])
    assert exit_.value.code == 2  # the other files are checked all the same, and nothing is damaged
    said = capsys.readouterr()
    for output in said:
        assert (
            f"{file} has format 99; this sparsight reads up to {FORMAT_VERSION}: install a newer one"
            in output
        )
    assert said.err.count("\n") == 1
    assert said.out.splitlines()[-1].endswith(": 1 of a newer version")
    assert contents(short_copy) == before


def test_commands_that_read_a_newer_level_say_so_in_one_line(short_recipe, short_copy, tmp_path, capsys):
    made_newer(short_copy / "imp" / "replicate_000" / "level_001" / RECORD)
    before = contents(short_copy)
    for command in (
        ["report", short_copy],
        ["figures", short_copy, "--out", tmp_path / "figures"],
        ["movie", short_copy, "--out", tmp_path / "movie.gif"],
        ["measure", short_copy],
        ["export", short_copy, "--condition", "imp", "--level", "1", "--out", tmp_path / "level"],
    ):
        with pytest.raises(SystemExit) as exit_:
            main([str(part) for part in command])
        said = capsys.readouterr().err
        assert (command[0], exit_.value.code) == (command[0], 2)
        assert "has format 99" in said
        assert said.count("\n") == 1
    assert contents(short_copy) == before


def test_a_newer_run_is_neither_damaged_nor_finished_and_the_others_are_still_listed(short_copy, capsys):
    made_newer(short_copy / "imp" / "replicate_000" / "level_001" / RECORD)
    state = run_state(RunDirectory.open(short_copy))
    assert (state.state, state.replicates) == ("newer", ())
    assert "has format 99" in state.problem
    assert repr(open_run(short_copy)).endswith("newer>")
    with pytest.raises(SystemExit) as exit_:
        main(["status", str(short_copy)])
    assert exit_.value.code == 0
    assert "newer" in capsys.readouterr().out


def test_the_format_before_the_seal_is_still_read(short_copy):
    before = open_run(short_copy).frame()
    for file in short_copy.rglob("*.json"):
        content = json.loads(file.read_text())
        for key in ("format_version", "sha256", "recipe_sha256"):
            content.pop(key, None)
        file.write_text(json.dumps(content | ({"format_version": 1} if file.name == RECORD else {})))
    assert problems(short_copy) == []
    assert open_run(short_copy).frame().equals(before)


@pytest.mark.parametrize("where", ["imp", "imp/replicate_000", "imp/replicate_000/level_001"])
def test_nothing_is_written_through_a_link(short_recipe, short_copy, tmp_path, where):
    outside = tmp_path / "outside"
    shutil.move(short_copy / where, outside)
    (short_copy / where).symlink_to(outside)
    with pytest.raises(InputError, match="is a link, which could lead out of the run"):
        run_recipe(short_recipe, short_copy, jobs=1)


def test_a_page_that_lacks_what_a_level_has_is_damaged_even_if_its_seal_fits(short_copy):
    record = short_copy / "imp" / "replicate_000" / "level_001" / RECORD
    content = json.loads(record.read_text())
    del content["curve"]["step"]
    write_sealed(record, content)
    assert "curve.step: Field required" in problems(short_copy)[0]


def test_check_says_what_is_damaged_and_what_run_will_do(short_copy, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(short_copy)])
    assert exit_.value.code == 0
    assert "checked 6 levels of 2 replicates: every file is whole" in capsys.readouterr().out
    flip_bit(short_copy / "imp" / "replicate_000" / "level_002" / MASKS, 200)
    (short_copy / "random" / "replicate_000" / FAILURE).write_text("{")
    with pytest.raises(SystemExit) as exit_:
        main(["check", str(short_copy)])
    assert exit_.value.code == 1
    words = capsys.readouterr().out
    assert "masks.safetensors is damaged: its SHA-256 is not the one in level.json" in words
    assert "imp, replicate 0: last good level 1; `run` will set aside what is stored from level 2" in words
    assert "2 damaged" in words
