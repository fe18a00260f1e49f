"""The page as a reader meets it: in a browser, from disk. Skipped where there is no browser."""

import json
import shutil

import numpy as np
import pytest

from sparsight.geometry import Geometry
from sparsight.measure import locality

pytest.importorskip("playwright", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

from playwright.sync_api import sync_playwright


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, reports):
    """Open a report; afterwards nothing must have gone wrong or been asked for."""
    addresses = {name: path.as_uri() for name, path in reports.items()}
    opened, problems = [], []

    def go(name, width=1400, scheme="light", fragment="#explore"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.split("#")[0] == addresses[name] else problems.append(request.url[:80])
            ),
        )
        opened.append(page)
        page.goto(addresses[name] + fragment)
        if fragment == "#explore":
            page.wait_for_selector("#explorer[data-drawn]")
        return page

    yield go
    for page in opened:
        page.close()
    assert not [problem for problem in problems if not problem.startswith("data:")]


def drawn(page):
    return page.evaluate("document.querySelector('#grid canvas').toDataURL()")


def wait_drawn(page, state):
    page.wait_for_selector(f'#explorer[data-drawn="{state}"]')


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_slider_the_view_and_the_condition_change_the_picture(visit, name):
    page = visit(name)
    seen = {drawn(page)}
    page.locator("#level").press("ArrowLeft")
    wait_drawn(page, "0 2 weights near")
    seen.add(drawn(page))
    page.select_option("#view", "mask")
    wait_drawn(page, "0 2 mask near")
    seen.add(drawn(page))
    page.select_option("#view", "cavity")
    wait_drawn(page, "0 2 cavity near")
    seen.add(drawn(page))
    page.select_option("#condition", "1")
    wait_drawn(page, "1 2 cavity near")
    seen.add(drawn(page))
    page.select_option("#sort", "fan-in")
    wait_drawn(page, "1 2 cavity fan-in")
    seen.add(drawn(page))
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["colour", "line"])
def test_a_click_and_the_keyboard_open_the_same_unit(visit, name):
    page = visit(name)
    page.select_option("#sort", "unit")
    wait_drawn(page, "0 3 weights unit")
    page.locator("#grid").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('#explorer[data-unit="1"]')
    by_keyboard = page.inner_text("#unit")
    assert page.inner_text("#unit-name").startswith("Unit 1 of imp, level 3")
    assert page.locator("#over-levels canvas").count() == 4
    page.keyboard.press("End")
    page.wait_for_selector('#explorer[data-unit="11"]')
    box = page.locator("#grid canvas").bounding_box()
    row = name == "line"
    page.mouse.click(box["x"] + (20 if row else 90), box["y"] + (box["height"] * 1.5 / 12 if row else 20))
    page.wait_for_selector('#explorer[data-unit="1"]')
    assert page.inner_text("#unit") == by_keyboard
    page.locator("#grid").focus()
    page.keyboard.press("-")
    wait_drawn(page, "0 2 weights unit")
    assert page.inner_text("#unit-name").endswith("level 2")


FOLDS = "[...document.querySelectorAll('details.fold')]"


def is_open(page, identifier):
    return page.evaluate(f"document.getElementById('{identifier}').closest('details').open")


@pytest.mark.parametrize("name", ["colour", "line", "comparison"])
def test_the_page_is_short_until_it_is_unfolded(visit, name):
    page = visit(name, 1280, fragment="")
    assert page.evaluate(f"{FOLDS}.length") >= 6
    assert not page.evaluate(f"{FOLDS}.some((each) => each.open)")
    assert page.evaluate("document.documentElement.scrollHeight") <= 5500
    bottom = page.evaluate("document.querySelector('.answers').getBoundingClientRect().bottom")
    assert bottom < 900  # the height of the window: the answer needs no scrolling
    page.click("#unfold")
    assert page.evaluate(f"{FOLDS}.every((each) => each.open)")
    page.wait_for_selector("#explorer[data-drawn]")
    page.click("#unfold")
    assert not page.evaluate(f"{FOLDS}.some((each) => each.open)")


def test_a_link_opens_the_panel_that_it_leads_to_also_a_second_time(visit):
    page = visit("colour", fragment="")
    link = page.locator("nav a[href='#curves']")
    for _ in range(2):
        link.click()
        page.wait_for_function("document.getElementById('curves').closest('details').open")
        assert page.locator("#curves svg").first.is_visible()
        page.evaluate("document.getElementById('curves').closest('details').open = false")
        page.evaluate("window.scrollTo(0, 0)")
    assert not is_open(page, "levels")
    assert is_open(visit("colour", fragment="#levels"), "levels")


def test_every_link_leads_somewhere(visit):
    page = visit("comparison", fragment="")
    targets = page.evaluate("[...document.querySelectorAll('a')].map((each) => each.getAttribute('href'))")
    assert len(targets) > 6
    assert all(page.evaluate(f"!!document.getElementById('{target[1:]}')") for target in targets)


def test_printing_shows_all_and_folds_again(visit):
    page = visit("colour", fragment="")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every((each) => each.open)")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate(f"{FOLDS}.some((each) => each.open)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("name", ["colour", "line", "comparison"])
def test_nothing_overflows_and_text_stands_out(visit, name, width, scheme):
    page = visit(name, width, scheme)
    if not page.evaluate(f"{FOLDS}.every((each) => each.open)"):
        page.click("#unfold")
    page.locator("#grid").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#unit:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 28)")
    ink = page.evaluate("getComputedStyle(document.querySelector('svg.figure')).color")
    assert ink == page.evaluate("getComputedStyle(document.body).color")


def open_unit(page, unit, level):
    page.select_option("#sort", "unit")
    page.locator("#level").evaluate(
        "(slider, level) => { slider.value = level; slider.dispatchEvent(new Event('input')); }", level
    )
    wait_drawn(page, f"0 {level} weights unit")
    page.locator("#grid").focus()
    page.keyboard.press("Home")
    for _ in range(unit):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(f'#explorer[data-unit="{unit}"]')


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_unit_shows_its_stored_histogram_beside_the_gaussian(visit, stored_runs, name):
    page, unit, level = visit(name), 2, 1
    open_unit(page, unit, level)
    measures = stored_runs[name].measures("imp", 0, level)["linear_0"]
    counts = measures["gaussianity.histogram_per_unit"].value[unit].astype(float)
    shown = np.array(json.loads(page.locator("#histogram").get_attribute("data-shares")))
    np.testing.assert_allclose(shown, counts / counts.sum(), atol=0.007 * counts.max() / counts.sum())
    words = page.inner_text("#histogram-words").replace("−", "-")
    mean, sd = float(words.split("of mean ")[1].split()[0]), float(words.split("and sd ")[1])
    assert mean == pytest.approx(measures["gaussianity.mean_per_unit"].value[unit], rel=0.01)
    assert sd**2 == pytest.approx(measures["gaussianity.variance_per_unit"].value[unit], rel=0.02)
    assert page.locator("#histogram svg path").count() == 3  # bars, Gaussian, axes


@pytest.mark.parametrize("name", ["colour", "line"])
def test_s_of_d_of_the_unit_is_what_locality_says(visit, stored_runs, name):
    page, unit, level = visit(name), 1, 2
    open_unit(page, unit, level)
    run = stored_runs[name]
    geometry: Geometry = run.geometry("imp")
    mask = run.level("imp", 0, level).masks["linear_0.weight"].numpy()[unit : unit + 1]
    found = locality(mask, geometry)
    ring = np.rint(geometry.distances()).astype(int).ravel()
    lines = json.loads(page.locator("#pairs").get_attribute("data-lines"))
    for kind, counts, expected in (
        ("sc", found.same_channel, found.same_channel_expected),
        ("dc", found.different_channel, found.different_channel_expected),
    ):
        observed, by_chance = (np.bincount(ring, each.ravel()) for each in (counts, expected))
        points = {d: observed[d] / by_chance[d] for d in np.flatnonzero(by_chance >= 2 - 1e-9)}
        shown = dict(lines[kind])
        assert shown.keys() == points.keys()
        for d, ratio in points.items():
            assert shown[d] == pytest.approx(ratio)
    assert lines["sc"]
    assert bool(lines["dc"]) == (geometry.channels > 1)


def test_conditions_of_all_runs_can_be_chosen_on_a_comparison(visit):
    page = visit("comparison")
    names = page.locator("#condition option").all_inner_texts()
    assert len(names) == 4
    before = drawn(page)
    page.select_option("#condition", "2")
    wait_drawn(page, "2 2 weights near")
    assert drawn(page) != before
    assert page.locator("#settings tbody tr").count() >= 3
