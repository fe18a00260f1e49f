"""A run directory from somebody else: it cannot write outside itself, nor make its reader's browser obey."""

import contextlib
import json
import shutil
import struct
from html.parser import HTMLParser

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from sparsight.atomic import sha256_of
from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.report import write_report
from sparsight.report._page import render
from sparsight.run import measure_again
from sparsight.store import open_run, read_sealed, write_sealed
from sparsight.store._level_files import MASKS, MEASURES, WEIGHTS
from sparsight.store._level_record import RECORD

ATTACKS = [
    "</script><script>window.owned = 1</script>",
    "<img src=x onerror=window.owned=1>",
    "\"><svg onload='window.owned=1'>",
    "' onmouseover='window.owned=1' x='",
    "</title></style></pre><iframe srcdoc='<script>parent.owned=1</script>'>",
    "');window.owned=1;//",
    "${window.owned=1}`",
    "{{ 7654321 * 1234567 }}{% raw %}",
    "javascript:window.owned=1",
    "<!--<script>",
    "&lt;b&gt;",
    "\u2028window.owned=1\u2029",
]
ATTACK = " ".join(ATTACKS)


class Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scripts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


@pytest.fixture
def run_directory(lean_run, tmp_path):
    return shutil.copytree(lean_run.path, tmp_path / "foreign")


def level(path, index=1):
    return path / "imp" / "replicate_000" / f"level_{index:03d}"


def reseal(folder, **changes):
    """Write a level's record as an attacker would: changed, with digests that fit."""
    record = read_sealed(folder / RECORD) | changes
    record["files"] = {name: sha256_of(folder / name) for name in (WEIGHTS, MASKS, MEASURES)}
    write_sealed(folder / RECORD, record)


def poison(value):
    """Return the value with every string in it, keys included where they are free, made hostile."""
    if isinstance(value, dict):
        return {key: poison(inner) for key, inner in value.items()} | {ATTACK: ATTACK}
    if isinstance(value, list):
        return [poison(inner) for inner in value]
    return value + ATTACK if isinstance(value, str) else value


@pytest.fixture
def poisoned(run_directory):
    """A run whose strings are hostile wherever its format leaves them free."""
    for index in range(4):
        for condition in ("imp", "random"):
            folder = run_directory / condition / "replicate_000" / f"level_{index:03d}"
            record = read_sealed(folder / RECORD)
            for quantities in record["measures"].values():
                for entry in quantities.values():
                    entry |= {"definition": ATTACK, "unit": ATTACK}
            record["connectivity"]["severed_layers"] = [ATTACK]
            reseal(folder, measures=record["measures"], connectivity=record["connectivity"], note=ATTACK)
    environment = read_sealed(run_directory / "environment.json")
    digest = environment.pop("recipe_sha256")
    write_sealed(run_directory / "environment.json", poison(environment) | {"recipe_sha256": digest})
    task = run_directory / "imp" / "replicate_000" / "task.json"
    facts = read_sealed(task)
    write_sealed(task, facts | {"name": ATTACK, "card": poison(facts["card"])})
    write_sealed(run_directory / "random" / "replicate_000" / "failed.json", {"message": ATTACK})
    return run_directory


def test_foreign_strings_make_no_element_no_attribute_and_no_script(poisoned, lean_run):
    page, honest = render(open_run(poisoned)), Elements(render(lean_run))
    found = Elements(page)
    assert "window.owned" in page  # it is shown
    assert found.tags.count("script") == honest.tags.count("script")
    assert not {"iframe", "object", "embed", "base", "link"} & set(found.tags) - set(honest.tags)
    assert not [key for _, key, _ in found.attributes if key.startswith("on")]
    assert not [value for _, _, value in found.attributes if value.lower().startswith("javascript:")]
    assert "9449772114007" not in page  # 7654321 * 1234567: no template is run on what a run holds
    assert all("window.owned" not in script or json.loads(script) for script in found.scripts)


def test_a_browser_shows_foreign_strings_and_does_not_obey(poisoned):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    address = write_report(open_run(poisoned)).as_uri()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        requested, problems = [], []
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(address)
        for element in page.query_selector_all("details"):
            element.evaluate("each => each.open = true")
        page.wait_for_selector("#explorer[data-drawn]")
        assert page.evaluate("window.owned") is None
        assert (
            page.evaluate("document.querySelectorAll('iframe, [onerror], [onload], [onmouseover]').length")
            == 0
        )
        assert "window.owned = 1" in page.inner_text("body")
        browser.close()
    assert [url for url in requested if url != address and not url.startswith("data:")] == []
    assert problems == []


def test_a_terminal_shows_foreign_strings_without_their_markup_and_control_characters(run_directory, capsys):
    message = "[red]a[/blue] \x1b]0;owned\x07 :boom: " + ATTACK
    write_sealed(run_directory / "random" / "replicate_000" / "failed.json", {"message": message})
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run_directory)])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert "\x1b]" not in printed.out + printed.err


LINKS = ["imp", "imp/replicate_000", "imp/replicate_000/level_001",
         "imp/replicate_000/level_001/measures.safetensors",
         "imp/replicate_000/level_001/level.json", "environment.json", "recipe.toml"]  # fmt: skip


def contents(path):
    return sorted((each, each.is_file() and each.read_bytes()) for each in [path, *path.rglob("*")])


@pytest.mark.parametrize("where", LINKS)
def test_nothing_is_written_to_a_run_with_links_in_it(run_directory, tmp_path, where):
    outside = tmp_path / "outside"
    shutil.move(run_directory / where, outside)
    (run_directory / where).symlink_to(outside)
    before = contents(outside)
    with pytest.raises(InputError, match="is a link, which could lead out of the run"):
        measure_again(open_run(run_directory).directory, ["locality"])
    assert (
        sorted((path, path.is_file() and path.read_bytes()) for path in [outside, *outside.rglob("*")])
        == before
    )


@pytest.mark.parametrize("name", [".lock", ".stop", ".writer.json", "report.html", "anything"])
def test_a_link_under_a_name_that_a_writer_uses_is_not_followed(run_directory, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run_directory / name).unlink(missing_ok=True)
    (run_directory / name).symlink_to(victim)
    with pytest.raises(InputError, match="is a link"):
        measure_again(open_run(run_directory).directory, ["locality"])
    write_report(open_run(run_directory))
    assert victim.read_text() == "precious"


def test_a_report_takes_the_place_of_a_link_and_does_not_follow_it(run_directory, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run_directory / "report.html").symlink_to(victim)
    path = write_report(open_run(run_directory))
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


def test_a_run_may_itself_be_reached_by_a_link_and_read_through_links(run_directory, tmp_path):
    (tmp_path / "link").symlink_to(run_directory)
    assert not open_run(tmp_path / "link").frame().empty


def rewrite(folder, name, change):
    arrays = load_file(folder / name)
    (folder / name).write_bytes(save(change(arrays)))


def raw(folder, name, header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)


def tensor(dtype, shape, start, stop):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


MASK_NAME = "masks/linear_0.weight"
DAMAGE = {
    "a header of 2^60 bytes": lambda f: raw(f, MASKS, {}, length=2**60),
    "a header of 99 MiB in a small file": lambda f: raw(f, MASKS, {}, length=99 * 2**20),
    "overlapping tensors": lambda f: raw(
        f, MASKS, {"a": tensor("U8", [8], 0, 8), "b": tensor("U8", [8], 0, 8)}, b"\0" * 8
    ),
    "a shape that overflows": lambda f: raw(f, MASKS, {"a": tensor("U8", [2**62, 4], 0, 0)}),
    "a shape larger than its bytes": lambda f: raw(f, MASKS, {"a": tensor("U8", [2**40], 0, 8)}, b"\0" * 8),
    "a dtype that numpy has not": lambda f: raw(f, MASKS, {"a": tensor("BF16", [4], 0, 8)}, b"\0" * 8),
    "an 8-bit float": lambda f: raw(f, MASKS, {"a": tensor("F8_E4M3", [8], 0, 8)}, b"\0" * 8),
    "a deep header": lambda f: raw(f, MASKS, b'{"a":' * 10_000),
    "bytes that belong to nothing": lambda f: raw(f, MASKS, {"a": tensor("U8", [8], 0, 8)}, b"\0" * 9),
    "no arrays": lambda f: rewrite(f, MASKS, lambda _: {"a": np.zeros(1)}),
    "masks of another length": lambda f: rewrite(f, MASKS, lambda a: a | {MASK_NAME: a[MASK_NAME][:-1]}),
    "weights of another length": lambda f: rewrite(f, WEIGHTS, lambda a: {k: v[:-1] for k, v in a.items()}),
    "measures of another length": lambda f: rewrite(
        f, MEASURES, lambda a: {k: v[..., :-1].copy() for k, v in a.items()}
    ),
    "a mask of 2^60 entries": lambda f: reseal(f, mask_shapes={"linear_0.weight": [2**30, 2**30]}),
    "a mask of negative shape": lambda f: reseal(f, mask_shapes={"linear_0.weight": [-12, -24]}),
    "a layer that is not there": lambda f: reseal(f, mask_shapes={"../linear_0.weight": [12, 24]}),
    "no curve": lambda f: reseal(f, curve={}),
    "a record that is a list": lambda f: (f / RECORD).write_text("[1]"),
    "a deep record": lambda f: (f / RECORD).write_text("[" * 100_000),
    "a number of many digits": lambda f: (f / RECORD).write_text('{"format_version": ' + "9" * 9999 + "}"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_levels_with_fitting_digests_are_named_in_one_line(stored_runs, tmp_path, name):
    run_directory = shutil.copytree(stored_runs["line"].path, tmp_path / "foreign")
    folder = level(run_directory)
    DAMAGE[name](folder)
    with contextlib.suppress(InputError):  # where the record itself is damaged
        reseal(folder)
    opened = open_run(run_directory)

    def read_everything():
        opened.frame()
        opened.level("imp", 0, 1)
        opened.measures("imp", 0, 1)

    with pytest.raises(InputError, match="level_001"):
        read_everything()


GEOMETRIES = {
    "nothing": {},
    "a word": "large",
    "2^60 pixels": {"channels": 1, "size": [2**30, 2**30], "wraps": False},
    "another number of inputs": {"channels": 2, "size": [5, 5], "wraps": False},
    "no extent": {"channels": 1, "size": [0], "wraps": False},
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_geometry_that_does_not_fit_the_network_is_named_before_memory_is_taken_for_it(run_directory, name):
    task = run_directory / "imp" / "replicate_000" / "task.json"
    write_sealed(task, read_sealed(task) | {"geometry": GEOMETRIES[name]})
    with pytest.raises(InputError, match=r"task.json is damaged"):
        open_run(run_directory).geometry("imp")
