"""Clones of a task: data with its low-order statistics and nothing else of it."""

import dataclasses
import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
from jaxtyping import Float32

from sparsight.data._class_moments import ClassMoments
from sparsight.data._clone_storage import CloneStorage
from sparsight.data._gaussian_fits import (
    Gaussian,
    GaussianFit,
    MakeFit,
    fit_each_class,
    fit_halves,
    fit_shared_covariance,
)
from sparsight.data._kept_and_changed import (
    NUM_CLASSES,
    change_by_gaussian,
    change_by_samples,
    class_samples,
    kept_and_changed,
)
from sparsight.data._kept_clones import kept_clone
from sparsight.data._shrinkage import fit_shrunk
from sparsight.data._task import Draw, Task
from sparsight.data._teacher import Teacher
from sparsight.data._twin_leak import measure_leak
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError
from sparsight.streams import generator

CLONES = (
    "gaussian",
    "gaussian_shared",
    "gaussian_shrunk",
    "gaussian_cross_fitted",
    "gaussian_global",
    "phase",
)
"""Every clone that can be made of any task."""

_BLOCK_VALUES = 2**22  # values read or drawn at a time
_FEW_SAMPLES = 10  # training samples of a class for each input, below which a twin is suspected to leak
_UNSHRUNK = ("gaussian", "gaussian_cross_fitted")  # each class has its own covariance, as it was found
_log = logging.getLogger(__name__)


def clone_task(task: Task, kind: str, seed: int) -> Task:
    """Return the clone of a task, or the task itself for "none".

    The card of every clone says what it keeps and what it changes (``kept_and_changed``), that of a twin with
    Gaussians fitted to each class also how far it leaks (``leak``), and what is doubtful (``warnings``, which
    are logged as well). A clone that is held as bytes, because it would take gigabytes, is made once and kept
    in the cache, memory-mapped.

    Parameters
    ----------
    kind : str
        "none", "gaussian", "gaussian_shared", "gaussian_shrunk", "gaussian_cross_fitted", "gaussian_global"
        or "phase". See `gaussian_twin`, `shared_covariance_twin`, `shrunk_twin`, `cross_fitted_twin`,
        `global_twin`, `phase_clone`.

    Raises
    ------
    InputError
        If the kind is unknown, or the clone cannot be made.
    """
    makers = dict(zip(CLONES, _MAKERS, strict=True))
    if kind == "none":
        return task
    if kind not in makers:
        raise InputError(f"clone is {kind!r}; none, {', '.join(makers)} are allowed")
    return kept_clone(task, kind, seed, lambda: makers[kind](task, seed))


def gaussian_twin(task: Task, seed: int) -> Task:
    r"""Return a task with Gaussian inputs that have the mean and covariance of each class.

    For class c with standardised training inputs X (n, num_inputs), mean m and centred rows A, the twin is
    :math:`x = m + z A / \sqrt{n - 1}` with white z, so its covariance is the unbiased sample covariance. If n
    exceeds the number of inputs, A is replaced by its triangular QR factor R, for which RᵀR = AᵀA.
    Covariances between channels are kept. If n ≤ num_inputs, each class lies in the (n − 1)-dimensional
    affine hull of its training samples. A class with fewer than two raises `InputError`.

    Training and test split are drawn from the *same* fitted Gaussians: the twin is a distribution, and a test
    split fitted to the test images would come from a different one (docs/decisions.md, "The twin is fitted on
    the training split and sampled for both"). If the task draws fresh samples at each step, so does the
    clone, from these Gaussians.

    The sampling error of each covariance is the same in both splits, so a network can learn it: with few
    samples the twin *leaks* (``leak`` in its card). `shrunk_twin` does not.
    """
    return _resampled(task, "gaussian", fit_each_class, ClassMoments.by_class(task), seed)


def shared_covariance_twin(task: Task, seed: int) -> Task:
    """Return the Gaussian twin in which classes differ only by their mean.

    As `gaussian_twin`, but all classes have the covariance of the training inputs around their class
    means, pooled over classes (divisor n − num_classes). The best classifier of this twin is linear.
    """
    return _resampled(task, "gaussian_shared", fit_shared_covariance, ClassMoments.by_class(task), seed)


def shrunk_twin(task: Task, seed: int) -> Task:
    """Return the Gaussian twin whose class means and covariances are shrunk toward those of all classes.

    As `gaussian_twin`, but what the data cannot tell from sampling error is taken from all classes together;
    with permuted labels that is everything, so classes are then alike. Formulas: `fit_shrunk`. The
    intensities (0: as `gaussian_twin`; 1: no difference between classes) are in the card for each class and
    band of principal axes, ``mean_shrinkage_per_class_and_band`` and
    ``covariance_shrinkage_per_class_and_band``.
    """
    return _resampled(task, "gaussian_shrunk", fit_shrunk, ClassMoments.by_class(task), seed)


def cross_fitted_twin(task: Task, seed: int) -> Task:
    """Return the Gaussian twin whose training and test split are fitted to disjoint halves.

    As `gaussian_twin` of a random half of each class's training samples for the training split (and fresh
    samples), and of the other half for the test split. Each has its own sampling error, which therefore does
    not help on the other. Each class needs four samples.
    """
    return _resampled(task, "gaussian_cross_fitted", fit_halves, ClassMoments.by_class(task, least=4), seed)


def global_twin(task: Task, seed: int) -> Task:
    """Return a single Gaussian with the mean and covariance of all training inputs, labelled by a teacher.

    The labels are those that a network trained on the original gives these inputs (see `Teacher`), so the
    twin is learnable by construction, and nothing but the teacher tells its classes apart. Its counterpart is
    the original with the labels of the same teacher: ``data.labels = "teacher"``. How often each label occurs
    is in the card, ``twin_class_shares``.
    """
    teacher = Teacher.of(task, seed)
    moments = ClassMoments(task, [np.arange(len(task.train_labels))])
    model = fit_each_class(moments).train(0)
    storage = CloneStorage(task)
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    for split, labels in (("train", task.train_labels), ("test", task.test_labels)):
        rng = generator(seed, "clone", "gaussian_global", split)
        for start in range(0, len(labels), block):
            rows = slice(start, min(start + block, len(labels)))
            storage.put(split, rows, model.sample(rng, rows.stop - start))
    clone = storage.task("gaussian_global", None, {})
    clone = dataclasses.replace(
        clone,
        train_labels=teacher.labels(clone, "train"),
        test_labels=teacher.labels(clone, "test"),
        draw=_global_draw(task, model, teacher),
    )
    by_class = ClassMoments.by_class(task)
    changes = [change_by_gaussian(by_class, label, model) for label in _looked_at(task)]
    shares = np.bincount(clone.train_labels, minlength=task.num_classes) / len(clone.train_labels)
    facts = {
        "kept_and_changed": kept_and_changed(task, clone, changes),
        "twin_class_shares": [round(share, 4) for share in shares.tolist()],
        "teacher": teacher.card,
    }
    return dataclasses.replace(clone, card={**clone.card, **facts})


def phase_clone(task: Task, seed: int) -> Task:
    """Return the task in which every image keeps its power spectrum and gets random phases.

    To the phases of a standardised image are added those of a white noise field, which are uniform and
    Hermitian, so that the image stays real. All channels get the same, so that cross-spectra between channels
    are kept as well. The mean of each channel is kept. The spectrum is that of the periodic image: if the
    geometry does not wrap, the step between opposite borders is spread over the image.

    Sample i of each split is the clone of sample i, with its label. If the task draws fresh samples at each
    step, the clone randomises their phases.
    """
    storage = CloneStorage(task)
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    for split, inputs in (("train", task.train_inputs), ("test", task.test_inputs)):
        rng = generator(seed, "clone", "phase", split)
        for start in range(0, len(inputs), block):
            rows = slice(start, start + block)
            storage.put(split, rows, _with_random_phases(_standardised(task, inputs[rows]), rng))
    clone = storage.task("phase", _phase_draw(task), {})
    changes = [_change_by_phases(task, clone, label, seed) for label in _looked_at(task)]
    numbers = kept_and_changed(task, clone, changes)
    return dataclasses.replace(clone, card={**clone.card, "kept_and_changed": numbers})


_MAKERS: tuple[Callable[[Task, int], Task], ...] = (
    gaussian_twin,
    shared_covariance_twin,
    shrunk_twin,
    cross_fitted_twin,
    global_twin,
    phase_clone,
)


def _resampled(task: Task, kind: str, make_fit: MakeFit, moments: ClassMoments, seed: int) -> Task:
    """Return the task with every input replaced by a draw from its class's Gaussian."""
    fit = make_fit(moments, seed)
    storage = CloneStorage(task)
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    if task.draw is not None:  # every step needs the Gaussians of all classes
        fit = dataclasses.replace(fit, train=functools.cache(fit.train))
    changes = []
    for label in range(task.num_classes):  # one class at a time: a factor has up to num_inputs² values
        for split, labels, model in (
            ("train", task.train_labels, fit.train(label)),
            ("test", task.test_labels, fit.test(label)),
        ):
            rng = generator(seed, "clone", kind, split, label)
            rows = np.flatnonzero(labels == label)
            for start in range(0, len(rows), block):
                part = rows[start : start + block]
                storage.put(split, part, model.sample(rng, len(part)))
        if label in _looked_at(task):
            changes.append(change_by_gaussian(moments, label, fit.train(label)))
    leak = measure_leak(moments, make_fit, seed)
    card = {
        **fit.card,
        "clone_samples_per_class": moments.counts.tolist(),
        "leak": leak,
    }
    if warnings := _warnings(task, kind, moments, leak):
        card["warnings"] = warnings
    clone = storage.task(kind, _gaussian_draw(task, kind, fit), card)
    numbers = kept_and_changed(task, clone, changes)
    return dataclasses.replace(clone, card={**clone.card, "kept_and_changed": numbers})


def _looked_at(task: Task) -> range:
    return range(min(task.num_classes, NUM_CLASSES))


def _warnings(task: Task, kind: str, moments: ClassMoments, leak: dict[str, Any]) -> list[str]:
    """Return what is doubtful about a fitted twin, and log it."""
    found = []
    smallest, needed = int(moments.counts.min()), _FEW_SAMPLES * moments.num_inputs
    if kind in _UNSHRUNK and smallest < needed:
        found.append(
            f"{kind} of {task.name}: a class has {smallest} training samples for {moments.num_inputs} "
            f"inputs. Below {_FEW_SAMPLES} for each input ({needed}) the sampling error of its covariance is "
            "large; gaussian_shrunk reduces it."
        )
    if leak["interval"][0] > leak["chance"]:
        low, high = leak["interval"]
        found.append(
            f"{kind} of {task.name} leaks: made from permuted labels, its classes are still told apart, with "
            f"accuracy {leak['accuracy']:.3f} [{low:.3f}, {high:.3f}] (chance {leak['chance']:.3f}). "
            "Differences from this twin may be due to its sampling error."
        )
    for sentence in found:
        _log.warning(sentence)
    return found


def _gaussian_draw(task: Task, kind: str, fit: GaussianFit) -> Draw | None:
    if task.draw is None:
        return None
    original = task.draw

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        _, labels = original(seed, step, batch_size)
        inputs = np.empty((batch_size, task.geometry.num_inputs), dtype=np.float32)
        for label in np.unique(labels).tolist():
            rng = generator(seed, "clone", kind, "online", step, label)
            inputs[labels == label] = fit.train(label).sample(rng, int((labels == label).sum()))
        return inputs.reshape(batch_size, *task.geometry.shape), labels

    return draw


def _global_draw(task: Task, model: Gaussian, teacher: Teacher) -> Draw | None:
    if task.draw is None:
        return None

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = generator(seed, "clone", "gaussian_global", "online", step)
        inputs = model.sample(rng, batch_size)
        return inputs.reshape(batch_size, *task.geometry.shape), teacher.labels_of(inputs)

    return draw


def _standardised(task: Task, inputs: np.ndarray) -> Float32[np.ndarray, "n channels *size"]:
    return task.flat(inputs).reshape(len(inputs), *task.geometry.shape)


def _with_random_phases(
    fields: Float32[np.ndarray, "n channels *size"], rng: np.random.Generator
) -> Float32[np.ndarray, "n channels *size"]:
    num_samples, _, *size = fields.shape
    axes = tuple(range(2, fields.ndim))
    noise = white_noise(rng, (num_samples, 1, *size)).numpy()
    rotation = scipy.fft.rfftn(noise, axes=axes)
    rotation /= np.abs(rotation)
    rotation.reshape(num_samples, -1)[:, 0] = 1  # frequency 0: the mean stays
    clone: np.ndarray = scipy.fft.irfftn(scipy.fft.rfftn(fields, axes=axes) * rotation, s=size, axes=axes)
    return clone


def _change_by_phases(task: Task, clone: Task, label: int, seed: int) -> tuple[float, float]:
    original = class_samples(task, label)
    if len(original) < 2:
        return math.nan, math.nan
    fields = original.reshape(len(original), *task.geometry.shape)
    second = _with_random_phases(fields, generator(seed, "clone", "phase", "second", label))
    return change_by_samples(original, class_samples(clone, label), second.reshape(original.shape))


def _phase_draw(task: Task) -> Draw | None:
    if task.draw is None:
        return None
    original = task.draw

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, labels = original(seed, step, batch_size)
        rng = generator(seed, "clone", "phase", "online", step)
        return _with_random_phases(_standardised(task, inputs), rng), labels

    return draw
