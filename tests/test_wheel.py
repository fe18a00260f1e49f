import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    target = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(target)}
    code = (
        "import sparsight, sparsight.report._page as page; print(sparsight.__file__); "
        "from sparsight.recipe import shipped_recipes; print(' '.join(shipped_recipes())); "
        "from importlib.resources import files; "
        "print(len((files('sparsight.report') / 'template.html.j2').read_text())); "
        "print((files('sparsight') / 'py.typed').is_file())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    where, names, size, typed = answer.stdout.splitlines()
    assert Path(where).is_relative_to(target)
    assert {"photographs", "fashion-mnist", "nlgp-1d", "nlgp-2d", "imagenet32-paper", "cifar10"} <= set(
        names.split()
    )
    assert int(size) > 1000
    assert typed == "True"
