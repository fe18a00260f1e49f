"""The example notebook runs, and its stored outputs are complete."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "example.ipynb"


def texts(notebook):
    """What the cells print, without pictures, memory addresses and places."""
    return [
        output.get("data", {}).get("text/plain", output.get("text", ""))
        for cell in notebook.cells
        if cell.cell_type == "code" and "run\n" not in cell.source + "\n"
        for output in cell.outputs
        if "image/png" not in output.get("data", {}) and output.output_type != "stream"
    ]


def test_the_stored_notebook_is_executed_small_and_names_no_machine():
    content = NOTEBOOK.read_text(encoding="utf-8")
    assert len(content) < 300_000
    notebook = nbformat.reads(content, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs) == 2
    for word in ("/tmp/", "/home/", "/root/", "Traceback"):
        assert word not in content


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stored = texts(notebook)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    assert len(texts(notebook)) == len(stored) >= 3
