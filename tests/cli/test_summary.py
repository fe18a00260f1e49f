"""What the terminal shows of a run: less than a screen at the end, and every level on request."""

import io

import numpy as np
import pytest
from rich.console import Console

from sparsight.cli import main
from sparsight.cli.views._summary import print_summary
from sparsight.measure import paired_difference, student_interval


def printed(run, width, *, levels=False):
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    print_summary(console, run, levels=levels)
    return console.export_text()


def values(run, condition, quantity, level=3):
    frame = run.frame()
    chosen = frame["condition"].eq(condition) & frame["level"].eq(level) & frame["quantity"].eq(quantity)
    return frame[chosen]["value"].to_numpy()


def cell(interval, decimals):
    return f"{interval.mean:z.{decimals}f} ±{(interval.high - interval.low) / 2:.{decimals}f}"


@pytest.mark.parametrize("width", [80, 160])
def test_the_summary_is_less_than_a_screen_of_last_levels_and_differences(stored_run, width):
    text = printed(stored_run, width)
    lines = text.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= width
    assert "…" not in text
    shown = {line.split("  ")[0]: line for line in lines}
    quantities = {"test_accuracy": 3, "locality.attained_share": 2, "locality.radius_of_gyration": 2}
    for quantity, decimals in quantities.items():
        imp, random = (values(stored_run, name, quantity) for name in ("imp", "random"))
        difference = paired_difference(random, imp, [0, 1], [0, 1])
        for name, interval in (
            ("imp", student_interval(imp)),
            ("random", student_interval(random)),
            ("random − imp", difference),
        ):
            assert cell(interval, decimals) in shown[name], (name, quantity)
    assert ("More columns in a wider terminal" in text) == (width == 80)
    assert "12.5 %" in shown["random − imp"]
    assert "--levels" in text


def test_one_replicate_has_means_alone(lean_run):
    text = printed(lean_run, 80)
    assert "±" not in text
    assert f"{values(lean_run, 'imp', 'locality.far')[0]:.2f}" in text
    assert np.isnan(student_interval(values(lean_run, "imp", "locality.far")).low)


def test_many_conditions_fit_into_a_screen_and_it_is_said_what_is_left_out(store, tmp_path):
    names = ("imp", *(f"other-{number}" for number in range(8)))
    measure = {"num_samples": 60, "instruments": ["locality"]}
    run = store(tmp_path / "run", levels=2, replicates=1, conditions=names, measure=measure)
    text = printed(run, 80)
    assert len(text.splitlines()) <= 24
    assert "3 more rows are in the report" in " ".join(text.split())
    assert "other-7" in text


@pytest.mark.parametrize(("width", "left_out"), [(60, "Δκ kept"), (240, None)])
def test_every_level_in_whole_columns_on_a_narrow_terminal_too(stored_run, width, left_out):
    lines = printed(stored_run, width, levels=True)
    text = " ".join(lines.split())
    assert "…" not in text
    assert "radius" in text
    assert ("Left out" in text) == (left_out is not None)
    assert ("±" in text) == (left_out is None)
    assert all(f"{density:.2f}" in text for density in (100, 50, 25, 12.5))


def test_the_option_prints_every_level(lean_run, tmp_path, capsys):
    for option, is_there in (([], False), (["--levels"], True)):
        with pytest.raises(SystemExit) as ended:
            main(["report", str(lean_run.path), "--out", str(tmp_path / "page.html"), *option])
        assert not ended.value.code
        assert ("50.00" in capsys.readouterr().out) == is_there
