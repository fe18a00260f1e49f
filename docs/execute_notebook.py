"""Execute docs/example.ipynb in place: ``python docs/execute_notebook.py``.

Paths in outputs are shortened and execution times removed, so that the file is the same on every machine.
"""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("example.ipynb")


def executed(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with newly computed outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in set(data) & {"text/plain", "text/html"}:
                data[kind] = re.sub(r"/[\w/.-]*/tmp\w+/", "…/", re.sub(r"/tmp/tmp\w+/", "…/", data[kind]))
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(NOTEBOOK), NOTEBOOK)
