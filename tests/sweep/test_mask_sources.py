"""Sweeps whose conditions take masks from each other, or from another run."""

import shutil
from pathlib import Path

import pytest
import torch

from sparsight.errors import InputError
from sparsight.store import open_run
from sparsight.sweep import SlurmOptions, plan_sweep, run_sweep
from sparsight.sweep._slurm import submit_jobs
from tests import toy  # noqa: F401 - registers the data source of plane.toml

PLANE = Path(__file__).parents[1] / "plane.toml"
FIXED = """
recipe = "plane.toml"
replicates = 1
[fixed]
measure.instruments = ["locality"]
training.steps = 12
training.kernel = "dense"
pruning.max_levels = 1
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PLANE, tmp_path)

    def written(masks_from):
        # named so that the condition comes before its source in no order but that of the sources
        text = f'{FIXED}conditions.a_ticket.pruning.masks_from = "{masks_from}"\n'
        path = Path("tickets.toml")
        path.write_text(f"{text}[grid]\npruning.rate = [0.2, 0.5]\n")
        return path

    return written


def test_sources_are_run_before_what_takes_their_masks(sweep):
    plan = plan_sweep(sweep("imp"))
    outcomes = run_sweep(plan, jobs=1)
    assert {outcome.end for outcome in outcomes} == {"finished"}
    assert [outcome.replicate.condition for outcome in outcomes][-2:] == ["a_ticket", "a_ticket"]
    num_kept = set()
    for case in plan.directory.cases():
        run = open_run(case.directory.path)
        ticket, imp = run.level("a_ticket", 0, 1), run.level("imp", 0, 1)
        assert all(torch.equal(ticket.final[name], value) for name, value in imp.final.items())
        num_kept.add(ticket.record.num_kept)
    assert len(num_kept) == 2
    assert run_sweep(plan, jobs=1) == []


def test_a_source_that_another_process_holds_ends_only_what_needs_it(sweep):
    plan = plan_sweep(sweep("imp"))
    first, _ = plan.directory.cases()
    with first.directory.writing_replicate("imp", 0):
        ends = {(each.replicate.case, each.replicate.condition): each for each in run_sweep(plan, jobs=1)}
    assert ends[first.name, "imp"].end == "busy"
    assert ends[first.name, "a_ticket"].end == "error"
    assert "imp, replicate 0 are asked for, but it is not finished" in ends[first.name, "a_ticket"].message
    assert sorted(each.end for each in ends.values()) == ["busy", "error", *["finished"] * 4]
    assert {each.end for each in run_sweep(plan, jobs=1)} == {"finished"}


def test_slurm_runs_in_any_order_and_elsewhere(sweep, tmp_path):
    plan = plan_sweep(sweep("imp"), runs_here=False)
    with pytest.raises(InputError, match="conditions.a_ticket takes the masks of 'imp' .* any order"):
        submit_jobs(plan, SlurmOptions())
    run_sweep(plan, jobs=1)
    relative = plan.directory.cases()[0].directory.path
    with pytest.raises(InputError, match="jobs start in another folder: give an absolute path"):
        submit_jobs(plan_sweep(sweep(f"{relative}:imp"), Path("other")), SlurmOptions())
