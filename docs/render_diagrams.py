"""Render ``docs/images/*.mmd`` to SVG: ``python docs/render_diagrams.py``.

Readers need no network, so the SVG files are committed, and building the pages needs neither Mermaid nor a
browser. Rendering needs npm (it fetches Mermaid into a temporary folder), playwright and chromium. Each SVG
records the SHA-256 of its source; ``tests/docs/test_diagrams.py`` fails when the source has changed since.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
MERMAID = "11.17.2"
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu"]


def source_digest(source: Path) -> str:
    """Return the SHA-256 of a diagram's source, as its SVG records it."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def mermaid_script(folder: Path) -> Path:
    """Fetch Mermaid from the npm registry, and return the script that a page loads."""
    command = ["npm", "pack", "--silent", f"mermaid@{MERMAID}"]
    packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    with tarfile.open(folder / packed) as archive:
        archive.extract("package/dist/mermaid.min.js", folder, filter="data")
    return folder / "package/dist/mermaid.min.js"


def main() -> None:
    """Render every diagram."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = mermaid_script(Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER_OPTIONS)
        page = browser.new_page()
        page.set_content("<body></body>")
        page.add_script_tag(path=script)
        for source in sorted(IMAGES.glob("*.mmd")):
            drawn = page.evaluate(
                "async text => (await mermaid.render('diagram', text)).svg", source.read_text("utf-8")
            )
            # A white ground of its own: the pages have a dark scheme, and an image cannot follow it.
            drawn = re.sub(
                r'style="max-width: ([\d.]+)px;[^"]*"', r'style="background: white"', drawn, count=1
            )
            record = f'<svg data-source-sha256="{source_digest(source)}"'
            source.with_suffix(".svg").write_text(drawn.replace("<svg", record, 1) + "\n", "utf-8")
        browser.close()


if __name__ == "__main__":
    main()
