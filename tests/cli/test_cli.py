import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparsight.cli import main
from sparsight.store import open_run
from tests import toy

PLANE = str(Path(__file__).parents[1] / "plane.toml")
PLUGIN = toy.__file__


def call(capsys, *arguments):
    """Run the command line in this process: (exit status, stdout, stderr)."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def shell(*arguments, **options):
    command = [sys.executable, "-m", "sparsight.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    answer = shell(
        "run", PLANE, "--plugin", PLUGIN, "--set", "pruning.max_levels=1", "--out", path, "--jobs", 2
    )
    assert answer.returncode == 0, answer.stderr
    return path, answer.stdout


def test_run_prints_a_line_a_level_the_summary_and_the_report(finished):
    path, output = finished
    assert sum(line.startswith(("imp, replicate", "random, replicate")) for line in output.splitlines()) == 8
    assert "plane: 2 replicates" in output
    assert "Δκ kept" in output
    assert (path / "report.html").stat().st_size > 10_000
    assert open_run(path).directory.num_levels("random", 1) == 2


def test_run_again_goes_on_and_fresh_starts_beside(finished, capsys):
    path, _ = finished
    arguments = ("run", PLANE, "--set", "pruning.max_levels=1", "--out", path, "--jobs", 1)
    status, output, _ = call(capsys, *arguments)
    assert status == 0
    assert "replicate 0, level" not in output
    status, output, _ = call(capsys, *arguments, "--fresh")
    assert status == 0
    assert open_run(f"{path}-2").directory.num_levels("imp", 0) == 2


def test_measure_and_report_work_on_a_stored_run(finished, capsys):
    path, _ = finished
    status, output, _ = call(capsys, "measure", path, "--instruments", "locality,cavity")
    assert status == 0
    assert "imp, replicate 0, level 1" in output
    status, _, errors = call(capsys, "measure", path, "--instruments", "localty")
    assert status == 2
    assert "no instrument is called 'localty'" in errors
    (path / "report.html").unlink()
    assert call(capsys, "report", path)[0] == 0
    assert (path / "report.html").is_file()


def test_recipes_lists_and_prints(capsys):
    status, output, _ = call(capsys, "recipes")
    assert status == 0
    for name in ("photographs", "fashion-mnist", "nlgp-1d", "nlgp-2d", "imagenet32-paper", "cifar10"):
        assert name in output
    status, output, _ = call(capsys, "recipes", "nlgp-1d")
    assert 'source = "nlgp"' in output


def test_data_says_what_is_there_and_describes(capsys):
    status, output, _ = call(capsys, "data")
    assert status == 0
    assert "photographs" in output
    assert "imagenet32" in output
    status, output, _ = call(capsys, "data", "photographs", "--set", "num_train=200", "--set", "num_test=100")
    assert status == 0
    assert "[50, 50, 50, 50]" in output
    assert "gradient excess kurtosis" in output


def test_a_sweep_runs_with_and_without_run_and_is_shown_collected_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rates.toml").write_text(
        f"recipe = '{PLANE}'\nreplicates = 1\n[fixed]\npruning.max_levels = 1\n"
        "training.steps = 6\nmeasure.instruments = ['locality']\n"
        "[grid]\npruning.rate = [0.2, 0.3]\nseed = [1]\n"
    )
    status, output, _ = call(capsys, "sweep", "run", "rates.toml", "--jobs", 1)
    assert status == 0
    assert "sweeps/rates: 2 cases, 4 trainings to do" in output
    assert output.count(": finished\n") == 4
    status, output, _ = call(capsys, "sweep", "rates.toml", "--jobs", 1)
    assert status == 0
    assert "sweeps/rates: 2 cases, 0 trainings to do" in output
    assert ": finished\n" not in output
    for path in ("rates.toml", "sweeps/rates"):
        status, output, _ = call(capsys, "sweep", "status", path)
        assert status == 0
        assert "sweeps/rates: 2 cases, 4 trainings from dense to sparse" in output
        status, output, _ = call(capsys, "sweep", "collect", path)
        assert status == 0
        assert output.endswith("results: sweeps/rates/results.csv\n")
    assert Path("sweeps/rates/results.csv").read_text().startswith("case,pruning.rate,seed,condition,")
    drawn = call(capsys, "sweep", "draw", "rates.toml", "pruning.rate", "seed", "--quantity", "locality.near")
    assert drawn[:2] == (0, "picture: sweeps/rates/locality.near.png\n")
    assert Path("sweeps/rates/locality.near.png").stat().st_size > 1000
    drawn = call(capsys, "sweep", "draw", "rates.toml", "pruning.rate", "--quantity", "locality.far")
    assert drawn[:2] == (0, "picture: sweeps/rates/locality.far.png\n")
    assert Path("sweeps/rates/locality.far.png").stat().st_size > 1000
    status, output, _ = call(capsys, "sweep", "cancel", "rates.toml")
    assert status == 0
    assert "nothing was in the queue" in output


def test_version_and_help_do_without_torch():
    code = (
        "import sys; from sparsight.cli._app import app; app(['--help'], result_action='return_value'); "
        "app(['sweep', '--help'], result_action='return_value'); "
        "assert 'torch' not in sys.modules"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert shell("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no-such-recipe"], "no recipe or file is called 'no-such-recipe'"),
        (["run", PLANE, "--set", "pruning.rat=0.2"], "did you mean rate?"),
        (["run", PLANE, "--set", "pruning.rate=1"], "pruning.rate is 1: input should be less than 1"),
        (["run", PLANE, "--set", "device=cuda:63"], "but this machine has "),
        (
            ["run", PLANE, "--set", "data.clone=gaussian", "--set", "training.batch_size=9999"],
            "choose a smaller batch",
        ),
        (["run", "imagenet32-paper", "--set", "device=cpu", "--set", "data.folder=/no/such"], "/no/such"),
        (["run", "cifar10", "--set", "data.folder=/no/such"], "/no/such"),
        (["run", "fashion-mnist", "--set", "data.folder=/no/such"], "dataset-fashion-mnist"),
        (["run", PLANE, "--out", "/proc/nowhere"], "/proc/nowhere cannot be written"),
        (["report", "/no/such/run"], "/no/such/run holds no run"),
        (["measure", "/no/such/run"], "/no/such/run holds no run"),
        (["recipes", "photograph"], "no shipped recipe is called 'photograph'"),
        (["data", "photograph"], "did you mean photographs?"),
        (["reproduce", "localty"], "did you mean locality?"),
        (["reproduce", "locality", "--scale", "huge"], "scale is 'huge'"),
        (["run", "--no-such-option"], "no-such-option"),
        (["sweep", "run", "rates.toml", "--gpus", "-1"], "--gpus is -1; at least 0 is allowed"),
        (["sweep", "rates.toml", "--replicates-per-job", "0"], "--replicates-per-job is 0"),
        (["sweep", "run", "rates.toml"], "sweep 'rates.toml' cannot be read"),
        (["sweep", "status", "rates.toml"], "sweep 'rates.toml' cannot be read"),
        (["walk"], "walk"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, errors = call(capsys, *arguments)
    assert status == 2
    assert len(errors.strip().splitlines()) == 1
    assert errors.startswith("sparsight: ")
    assert message in errors
    assert list(tmp_path.iterdir()) == []


def test_mistakes_show_no_traceback_in_a_real_process(tmp_path):
    answer = shell("run", "photographs", "--set", "pruning.rate=2", cwd=tmp_path, env=os.environ)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_reproduce_without_a_name_lists_the_claims(capsys):
    status, output, _ = call(capsys, "reproduce")
    assert status == 0
    assert "locality" in output
    assert "feedback" in output
