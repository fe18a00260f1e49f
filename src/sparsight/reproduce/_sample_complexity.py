r"""How many samples a masked student needs to find its teacher: a study without recipes.

The teacher is :math:`f(x) = \tfrac1K \sum_k \max(0, w^*_k \cdot x)` of Gaussian inputs, and each of its units
reads r of d inputs. A student of the same form is fitted to N noiseless samples under a mask. It has found
the teacher if its weights are those of the teacher up to a relative error of 10⁻³ and the order of its units.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from scipy.optimize import least_squares, linear_sum_assignment

from sparsight.reproduce._simulated import kept_content, simulated_dataset
from sparsight.streams import derived_seed, generator

MaskKind = Literal["oracle", "none", "wrong", "imp"]
Start = Literal["near", "random"]

NUM_UNITS = 3
FOUND = 1e-3
"""Largest relative error of the weights of a student that has found its teacher."""

_RATIO = 1.1  # between neighbouring numbers of samples
_FEWEST = 4
_DISTANCE = 0.3  # of a start near the teacher, relative to its weights
_ROUND = 0.4  # share of the weights that a round of pruning removes
_MOST_EVALUATIONS = 200


@dataclass(frozen=True, kw_only=True)
class Student:
    """A condition: the sizes of the teacher, the student's mask, and the weights that it starts from.

    Attributes
    ----------
    mask : {"oracle", "none", "wrong", "imp"}
        The teacher's own; all weights; a random one with as many inputs in each unit; or the one that
        magnitude pruning finds on the same samples, in rounds of 40 % with rewinding, down to as many weights
        as the teacher has.
    start : {"near", "random"}
        The teacher's weights, moved by 0.3 of their norm, or independent of the teacher.
    """

    mask: MaskKind
    support_size: int
    num_inputs: int = 50
    start: Start = "near"

    @property
    def name(self) -> str:
        """The condition's name."""
        wide = "" if self.num_inputs == 50 else f"_of_{self.num_inputs}"
        return f"{self.mask}_{self.support_size}{wide}{'' if self.start == 'near' else '_random_start'}"


SUPPORT_SIZES = (5, 10, 20, 40)
STUDENTS = (
    *(Student(mask="oracle", support_size=size) for size in SUPPORT_SIZES),
    *(Student(mask="none", support_size=size) for size in SUPPORT_SIZES),
    *(Student(mask="imp", support_size=size) for size in SUPPORT_SIZES[:3]),
    Student(mask="oracle", support_size=10, num_inputs=100),
    Student(mask="none", support_size=10, num_inputs=100),
    Student(mask="wrong", support_size=10),
    Student(mask="oracle", support_size=10, start="random"),
    Student(mask="none", support_size=10, start="random"),
)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of the study. With `most_samples` samples for each weight, masked or not, the search ends."""

    num_replicates: int
    most_samples: float = 8.0
    seed: int = 11
    students: tuple[Student, ...] = STUDENTS

    def digest(self) -> str:
        """Return the SHA-256 of all settings, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate."""
        return derived_seed(self.seed, "replicate", replicate)


SETTINGS = {
    "smoke": StudySettings(
        num_replicates=2,
        most_samples=4.0,
        students=tuple(
            Student(mask=each.mask, support_size=each.support_size // 5 or 1, start=each.start,
                    num_inputs=each.num_inputs // 5)
            for each in STUDENTS
        ),
    ),
    "laptop": StudySettings(num_replicates=20),
    "paper": StudySettings(num_replicates=30),
}  # fmt: skip


def network(inputs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the outputs (n,) of the mean of rectified units."""
    outputs: np.ndarray = np.maximum(inputs @ weight.T, 0).mean(axis=1)
    return outputs


def population_loss(first: np.ndarray, second: np.ndarray) -> float:
    r"""Return E[(f(x) − g(x))²] of two networks for Gaussian inputs, in closed form.

    .. math:: E[\max(0, u \cdot x) \max(0, v \cdot x)] =
              \tfrac{1}{2\pi} |u| |v| (\sin\theta + (\pi - \theta) \cos\theta),

    with θ the angle of u and v (Cho & Saul, NeurIPS 2009, eq. 6, order 1).
    """

    def product(a: np.ndarray, b: np.ndarray) -> float:
        sizes = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
        cosine = np.divide(a @ b.T, sizes, where=sizes > 0, out=np.zeros_like(sizes)).clip(-1, 1)
        angle = np.arccos(cosine)
        each = sizes * (np.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi)
        return float(each.sum()) / (len(a) * len(b))

    return product(first, first) - 2 * product(first, second) + product(second, second)


def fitted(start: np.ndarray, mask: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the weights that least squares reaches from `start` with the kept weights.

    Levenberg–Marquardt where there are at least as many samples as weights, a trust region otherwise
    (scipy). A step of either is far better than one of gradient descent near the minimum, so that whether the
    teacher is found depends on samples and start, and not on patience.
    """
    units, pixels = np.nonzero(mask)

    def weight(values: np.ndarray) -> np.ndarray:
        full = np.zeros(mask.shape)
        full[units, pixels] = values
        return full

    def residuals(values: np.ndarray) -> np.ndarray:
        differences: np.ndarray = network(inputs, weight(values)) - targets
        return differences

    def jacobian(values: np.ndarray) -> np.ndarray:
        is_on = inputs @ weight(values).T > 0
        derivatives: np.ndarray = is_on[:, units] * inputs[:, pixels] / len(mask)
        return derivatives

    found = least_squares(
        residuals,
        start[units, pixels],
        jac=jacobian,
        method="lm" if len(targets) >= len(units) else "trf",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
        max_nfev=_MOST_EVALUATIONS,
    )
    return weight(found.x)


def relative_error(weight: np.ndarray, teacher: np.ndarray) -> float:
    """Return ‖W − W*‖ / ‖W*‖ for the order of units in which it is smallest."""
    squared = ((weight[:, None] - teacher[None]) ** 2).sum(axis=2)
    rows, columns = linear_sum_assignment(squared)
    return float(np.sqrt(squared[rows, columns].sum() / (teacher**2).sum()))


class _Trial:
    """One replicate of a condition: teacher, start and samples, of which a trial uses the first N."""

    def __init__(self, student: Student, seed: int, most: int) -> None:
        rng = generator(seed, "sample complexity", student.num_inputs, student.support_size)
        shape = (NUM_UNITS, student.num_inputs)
        self.support = np.argsort(rng.random(shape), axis=1) < student.support_size
        self.teacher = rng.normal(size=shape) * self.support
        direction = rng.normal(size=shape)
        self._student = student
        self._wrong = np.argsort(rng.random(shape), axis=1) < student.support_size
        self._direction, self._independent = direction, rng.normal(size=shape)
        self._inputs = rng.normal(size=(most, student.num_inputs))
        self._targets = network(self._inputs, self.teacher)

    def finds_teacher(self, num_samples: int) -> bool:
        inputs, targets = self._inputs[:num_samples], self._targets[:num_samples]
        weight = self._trained(inputs, targets)
        return relative_error(weight, self.teacher) < FOUND

    def _start(self, mask: np.ndarray) -> np.ndarray:
        size = np.linalg.norm(self.teacher)
        if self._student.start == "random":
            weight = self._independent * mask
            return np.asarray(weight * size / np.linalg.norm(weight))
        moved = self._direction * mask
        return np.asarray(self.teacher * mask + _DISTANCE * size * moved / np.linalg.norm(moved))

    def _trained(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        kind = self._student.mask
        if kind == "imp":
            return self._pruned(inputs, targets)
        everything = np.ones(self.support.shape, dtype=bool)
        mask = {"oracle": self.support, "none": everything, "wrong": self._wrong}[kind]
        return fitted(self._start(mask), mask, inputs, targets)

    def _pruned(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        mask = np.ones(self.support.shape, dtype=bool)
        start, goal = self._start(mask), int(self.support.sum())
        while True:
            weight = fitted(start * mask, mask, inputs, targets)
            num_kept = int(mask.sum())
            if num_kept == goal:
                return weight
            num_kept = max(goal, num_kept - int(_ROUND * num_kept))
            size = np.where(mask, np.abs(weight), -1).ravel()
            ranks = np.argsort(np.argsort(-size, kind="stable"))
            mask = (ranks < num_kept).reshape(start.shape)


def samples_needed(student: Student, seed: int, most_samples: float) -> float:
    """Return the smallest number of samples with which the student finds its teacher; NaN if none does.

    Found by bisection among numbers a tenth apart, as if more samples never hurt; the samples of a smaller
    number are among those of a larger one.
    """
    most = int(most_samples * NUM_UNITS * student.num_inputs)
    steps = int(math.log(most / _FEWEST) / math.log(_RATIO))
    numbers = sorted({round(_FEWEST * _RATIO**step) for step in range(steps + 1)})
    trial = _Trial(student, seed, numbers[-1])
    low, high = -1, len(numbers)  # numbers[low] is too few, numbers[high] enough
    if not trial.finds_teacher(numbers[-1]):
        return math.nan
    high -= 1
    while high - low > 1:
        middle = (low + high) // 2
        if trial.finds_teacher(numbers[middle]):
            high = middle
        else:
            low = middle
    return float(numbers[high])


def sample_complexity_results(scale: str, folder: Path) -> tuple[StudySettings, xr.Dataset]:
    """Return the settings, and log₂ of the samples needed; compute them if the folder lacks them.

    The folder holds the numbers in one small file, named by the hash of the settings. Over condition (the
    name of a `Student`), replicate and level (only one) there are ``sample_complexity.log2_samples``, NaN
    where no number of samples sufficed, and ``sample_complexity.is_found``, whether any did.
    """
    settings = SETTINGS[scale]
    path = folder / f"sample-complexity-{scale}-{settings.digest()[:8]}.json"
    content = kept_content(path, lambda: {"settings": asdict(settings), "samples": _computed(settings)})
    samples: Mapping[str, list[float | None]] = content["samples"]
    needed = np.array(list(samples.values()), dtype=np.float64)
    columns = {
        "sample_complexity.log2_samples": np.log2(needed),
        "sample_complexity.is_found": (~np.isnan(needed)).astype(float),
    }
    seeds = [settings.replicate_seed(replicate) for replicate in range(settings.num_replicates)]
    return settings, simulated_dataset(columns, list(samples), seeds)


def _computed(settings: StudySettings) -> dict[str, list[float | None]]:
    found = {}
    for reference, student in zip(STUDENTS, settings.students, strict=True):
        needed = [
            samples_needed(student, settings.replicate_seed(replicate), settings.most_samples)
            for replicate in range(settings.num_replicates)
        ]
        found[reference.name] = [None if math.isnan(each) else each for each in needed]
    return found
