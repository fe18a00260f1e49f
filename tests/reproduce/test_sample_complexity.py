import dataclasses
import itertools

import numpy as np
import pytest

from sparsight.reproduce import select_claims
from sparsight.reproduce._claim import find, verdict_of
from sparsight.reproduce._sample_complexity import (
    SETTINGS,
    STUDENTS,
    SUPPORT_SIZES,
    Student,
    _Trial,
    fitted,
    network,
    population_loss,
    relative_error,
    sample_complexity_results,
    samples_needed,
)
from tests.reproduce.planted import planted


def units(num_inputs=6, seed=0):
    return np.random.default_rng(seed).normal(size=(2, 3, num_inputs))


def test_the_population_loss_is_that_of_samples_and_its_gradient_that_of_differences():
    first, second = units()
    inputs = np.random.default_rng(1).normal(size=(1_000_000, 6))
    squares = (network(inputs, first) - network(inputs, second)) ** 2
    assert abs(squares.mean() - population_loss(first, second)) < 4.5 * squares.std() / 1000
    step, direction = 1e-5, np.random.default_rng(2).normal(size=first.shape)
    slope = (
        population_loss(first + step * direction, second) - population_loss(first - step * direction, second)
    ) / (2 * step)
    errors = network(inputs, first) - network(inputs, second)
    per_sample = sum(
        2 * errors * (inputs @ w > 0) * (inputs @ d) / 3 for w, d in zip(first, direction, strict=True)
    )
    assert abs(per_sample.mean() - slope) < 4.5 * per_sample.std() / 1000
    assert population_loss(first, first) == pytest.approx(0, abs=1e-12)


def test_a_student_that_starts_at_the_teacher_stays_there_exactly():
    trial = _Trial(Student(mask="oracle", support_size=10), seed=0, most=200)
    found = fitted(trial.teacher, trial.support, trial._inputs, trial._targets)
    assert np.array_equal(found, trial.teacher)


def test_errors_do_not_depend_on_the_order_of_units():
    weight, other = units()
    assert relative_error(weight[[2, 0, 1]], weight) == 0
    orders = [list(order) for order in itertools.permutations(range(3))]
    distances = [np.linalg.norm(other[order] - weight) for order in orders]
    assert relative_error(other, weight) == pytest.approx(min(distances) / np.linalg.norm(weight))


def test_a_mask_without_one_planted_weight_keeps_an_error():
    trial = _Trial(Student(mask="oracle", support_size=5, num_inputs=10), seed=3, most=4000)
    mask = trial.support.copy()
    unit, pixel = np.argwhere(mask)[np.abs(trial.teacher[mask]).argmax()]
    mask[unit, pixel] = False
    found = fitted(trial.teacher * mask, mask, trial._inputs, trial._targets)
    floor = population_loss(found, trial.teacher)
    residual = ((network(trial._inputs, found) - trial._targets) ** 2).mean()
    assert floor > 1e-3
    assert residual == pytest.approx(floor, rel=0.15)  # 4000 samples for 14 weights
    assert relative_error(found, trial.teacher) > 100 * 1e-3


def test_the_search_finds_where_success_begins(monkeypatch):
    monkeypatch.setattr(_Trial, "finds_teacher", lambda self, number: number >= 61)
    student = Student(mask="oracle", support_size=2, num_inputs=10)
    found = samples_needed(student, 0, 8.0)
    assert 61 <= found <= 61 * 1.1 + 1
    monkeypatch.setattr(_Trial, "finds_teacher", lambda self, number: False)
    assert np.isnan(samples_needed(student, 0, 8.0))


def test_fewer_samples_than_kept_weights_never_suffice_and_the_masks_are_what_they_say():
    for mask, num_weights in (("oracle", 15), ("none", 60)):
        student = Student(mask=mask, support_size=5, num_inputs=20)
        assert all(samples_needed(student, seed, 8.0) >= num_weights for seed in range(3))
    trial = _Trial(Student(mask="wrong", support_size=5, num_inputs=20), 0, 100)
    assert (trial._wrong.sum(axis=1) == 5).all()
    assert not np.array_equal(trial._wrong, trial.support)
    pruned = _Trial(Student(mask="imp", support_size=5, num_inputs=20), 0, 400)
    weight = pruned._trained(pruned._inputs, pruned._targets)
    assert (weight != 0).sum() == 15
    assert np.array_equal(weight != 0, pruned.support)  # with 400 samples, pruning finds the planted mask


def test_results_are_stored_once_and_read_again(tmp_path):
    settings, first = sample_complexity_results("smoke", tmp_path)
    files = list(tmp_path.iterdir())
    assert [file.name for file in files] == [f"sample-complexity-smoke-{settings.digest()[:8]}.json"]
    stamp = files[0].stat().st_mtime_ns
    _, again = sample_complexity_results("smoke", tmp_path)
    assert files[0].stat().st_mtime_ns == stamp
    assert first.equals(again)
    assert first.condition.values.tolist() == [student.name for student in STUDENTS]
    assert dataclasses.replace(SETTINGS["laptop"], num_replicates=30) == SETTINGS["paper"]


@pytest.mark.parametrize(
    ("slope", "dense_slope", "verdict"),
    [(1.0, 1.0, "supported"), (0.5, 1.0, "mixed"), (1.0, 0.0, "mixed")],
)
def test_verdicts_follow_from_planted_numbers(slope, dense_slope, verdict):
    means = {}
    for student in STUDENTS:
        size = np.log2(student.support_size)
        wide = np.log2(student.num_inputs / 50)
        if student.mask == "oracle":
            needed = 2 + slope * size + (0.0 if student.start == "near" else 1.0)
        else:
            needed = 8 + dense_slope * wide
        means["sample_complexity.log2_samples", student.name] = needed
        means["sample_complexity.is_found", student.name] = 0.0 if student.mask == "wrong" else 1.0
    results = planted(means, noise=0.01, num_levels=1)
    findings = [find(prediction, results) for prediction in select_claims()["sample-complexity"].predictions]
    assert verdict_of(findings) == verdict
    assert len(SUPPORT_SIZES) == 4


@pytest.mark.parametrize(
    ("slope", "verdict"), [(1.0, "supported"), (0.6, "contradicted"), (1.4, "contradicted")]
)
def test_the_slope_with_found_masks_is_over_the_weights_that_they_keep(slope, verdict):
    means = {}
    for student in STUDENTS:
        needed = 2 + slope * np.log2(student.support_size) if student.mask == "imp" else 8.0
        means["sample_complexity.log2_samples", student.name] = needed
    results = planted(means, noise=0.01, num_levels=1)
    predictions = {each.name: each for each in select_claims()["sample-complexity"].predictions}
    finding = find(predictions["pruned_proportional"], results)
    assert finding.effect.mean == pytest.approx(slope - 1, abs=0.02)
    assert finding.control.mean == pytest.approx(-1, abs=0.02)  # the same for every r
    assert finding.verdict == verdict
    assert not finding.is_decisive
