"""The built pages work as files, without a network: nothing comes from elsewhere, and the search answers."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
FOREIGN = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "manifest"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(build, cwd=ROOT, env=environment, check=True, capture_output=True)
    return folder


class Loaded(HTMLParser):
    """Addresses that a browser loads by itself when it shows a page; links to click are not among them."""

    def __init__(self, page):
        super().__init__()
        self.addresses = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        if tag == "link" and not LINKS_THAT_LOAD & set(given.get("rel", "").split()):
            return
        if tag in ("a", "area", "base"):
            return
        self.addresses += [given[name] for name in ("src", "href", "data", "poster") if name in given]
        self.addresses += [each.split()[0] for each in given.get("srcset", "").split(",") if each.strip()]


def foreign(addresses):
    return [each for each in addresses if FOREIGN.match(each)]


def test_what_a_page_loads_is_found():
    page = """
        <link rel="stylesheet" href="https://a.example/x.css"><link rel="canonical" href="https://b.example/">
        <script src="//c.example/x.js"></script><img src="x.png" srcset="https://d.example/2x.png 2x">
        <a href="https://e.example/">there</a><iframe src="HTTPS://f.example"></iframe>
    """
    hosts = [re.sub(r".*//(.)\..*", r"\1", each) for each in foreign(Loaded(page).addresses)]
    assert hosts == ["a", "c", "d", "f"]


@pytest.mark.slow
def test_no_built_page_loads_a_foreign_address(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    found = {page.name: foreign(Loaded(page.read_text("utf-8")).addresses) for page in pages}
    assert not {name: addresses for name, addresses in found.items() if addresses}
    for sheet in site.rglob("*.css"):
        loaded = re.findall(r"""(?:url\(|@import)\s*["']?([^"')]+)""", sheet.read_text("utf-8"))
        assert not foreign(loaded), sheet


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("page", ["index.html", "howto/data.html"])
def test_the_search_of_a_page_that_was_opened_as_a_file_answers(site, page):
    pytest.importorskip("playwright", reason="playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        opened, asked = context.new_page(), []
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto((site / page).as_uri())
        opened.locator("input.md-search__input").press_sequentially("cavity")
        first = opened.locator(".md-search-result__item a").first
        first.wait_for(state="attached", timeout=120_000)
        assert opened.locator(".md-search-result__item").count() > 3
        target = first.get_attribute("href")
        browser.close()
    assert asked
    assert not [address for address in asked if not address.startswith(("file:", "data:", "about:"))]
    assert target.startswith("file:") or not FOREIGN.match(target)
