"""The files of one level: weights, masks and measures, and the record that vouches for them.

========================  ===================================================================================
``weights.safetensors``   values of kept weights only (in C order under the mask), other parameters whole;
                          level 0 holds the initial and the rewind state as well
``masks.safetensors``     masks before and after pruning, as packed bits (``numpy.packbits``); also those at
                          the start of training, where they changed within it
``measures.safetensors``  arrays that the instruments found; per-weight maps hold kept weights only
``snapshots.safetensors`` states at the steps of ``measure.at_steps``, if there are any: kept weights only
``level.json``            the record: everything else, and the SHA-256 of the others
========================  ===================================================================================

A level exists once its ``level.json`` does, so that file is written last. Measures that replace others wait
beside them as ``measures.next.safetensors`` until the record names them: see `write_record`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as deserialise, load_file, save as serialise
from torch import nn

from sparsight.atomic import make_folder, remove_temporaries, rename_durably, sha256_of, write_atomically
from sparsight.errors import InputError
from sparsight.instruments import Quantity
from sparsight.prune import Level, Snapshots, State, num_kept_of
from sparsight.regular_files import open_regular, require_regular
from sparsight.store._containment import run_around
from sparsight.store._level_arrays import (
    Measures,
    by_step,
    mask_shapes,
    pack_masks,
    pack_measures,
    pack_snapshots,
    pack_weights,
    unpack_masks,
    unpack_quantity,
    unpack_state,
)
from sparsight.store._level_record import RECORD, LevelRecord, read_record
from sparsight.store._sealed_json import write_sealed
from sparsight.train import Curve, Masks

WEIGHTS, MASKS, MEASURES = "weights.safetensors", "masks.safetensors", "measures.safetensors"
NEXT_MEASURES = "measures.next.safetensors"
SNAPSHOTS = "snapshots.safetensors"

_NOT_ARRAYS = (SafetensorError, TypeError, AttributeError)
"""What reading a file raises that holds no arrays, or some of a dtype that NumPy lacks, such as bfloat16."""

_READINGS = 3
"""How often a level is looked at before it counts as damaged: a writer may replace its measures meanwhile."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredLevel:
    """One level as it was stored; `record` is the content of its ``level.json``.

    The level trained with `masks`, and its pruning left `next_masks`; `initial_masks` are as in
    `sparsight.prune.Level`. `final` is the state after training: dense, exactly 0 outside the masks. The
    state before training, and the one that surviving weights go back to (`rewind`), are stored with level 0
    only.
    """

    index: int
    masks: Masks
    next_masks: Masks
    final: State
    initial: State | None
    rewind: State | None
    record: LevelRecord
    initial_masks: Masks | None = None

    def as_level(self, network: nn.Module, rewind: State | None) -> Level:
        """Return the level from which `imp` can continue; `rewind` is the one that level 0 stored."""
        return Level(
            index=self.index,
            masks=self.masks,
            next_masks=self.next_masks,
            initial=self.initial or {},
            final=self.final,
            rewind=rewind,
            curve=Curve(**self.record.curve.model_dump()),
            seed=self.record.seed,
            network=network,
            is_last=self.record.is_last,
            kernels=dict(self.record.kernels),
            initial_masks=self.initial_masks,
        )


def write_level(folder: Path, level: Level, measures: Measures, facts: Mapping[str, Any]) -> None:
    """Write a level's files; the level exists once the last of them, ``level.json``, does.

    Parameters
    ----------
    folder : Path
        Created if missing; its parent, the replicate's folder, must exist.
    facts : mapping
        Plain values for ``level.json`` in addition to those of the level itself: see `LevelRecord`.
    """
    # The parent is not created: if somebody moves the run away while it is written to, a level in a new and
    # otherwise empty folder would look like a run, and the error that tells the user would not come.
    inside = run_around(folder)
    make_folder(folder, inside=inside, parents=False)
    write_atomically(folder / WEIGHTS, serialise(pack_weights(level)), inside=inside)
    write_atomically(folder / MASKS, serialise(pack_masks(level), mask_shapes(level.masks)), inside=inside)
    if level.snapshots:
        write_atomically(folder / SNAPSHOTS, serialise(pack_snapshots(level)), inside=inside)
    arrays, described = pack_measures(level.masks, measures)
    write_atomically(folder / MEASURES, serialise(arrays), inside=inside)
    names = (WEIGHTS, MASKS, MEASURES, *([SNAPSHOTS] if level.snapshots else []))
    digests = {name: sha256_of(folder / name) for name in names}
    _seal(folder, _facts_of(level) | dict(facts), described, digests, changed_masks=bool(level.initial_masks))


def write_record(folder: Path, record: LevelRecord, masks: Masks, measures: Measures) -> None:
    """Replace a level's measures and its ``level.json`` in one step.

    The new measures are written beside the present ones. Then the record is replaced, and with it the level
    has changed. Then the new measures take the place of the former ones. Killed before the second of these
    steps, the level is as it was. Killed after it, readers find the new measures beside the former ones, and
    the next writer finishes the third step.

    Parameters
    ----------
    folder : Path
        The level's folder, with the weights and masks that `record` belongs to.
    record : LevelRecord
        The facts that stay; its measures and digests are replaced.
    """
    _finish_replacing(folder)
    arrays, described = pack_measures(masks, measures)
    write_atomically(folder / NEXT_MEASURES, serialise(arrays), inside=run_around(folder))
    # What a killed writer has left. Not before the line above, which refuses a folder that is a link.
    remove_temporaries(folder)
    kept = (WEIGHTS, MASKS, *([SNAPSHOTS] if SNAPSHOTS in record.files else []))
    digests = {name: sha256_of(folder / name) for name in kept}
    digests[MEASURES] = sha256_of(folder / NEXT_MEASURES)
    # Unset fields stay out: a record of an older version must not claim what nobody recorded.
    facts, changed_masks = record.model_dump(exclude_unset=True), _has_initial_masks(_load(folder / MASKS))
    _seal(folder, facts, described, digests, changed_masks=changed_masks)
    rename_durably(folder / NEXT_MEASURES, folder / MEASURES, inside=run_around(folder))


def check_level(folder: Path) -> dict[str, str]:
    """Return the problems with a level's files, by file name; empty if all are whole.

    A level that a newer version wrote is not damaged: it raises `NewerFormatError`.
    """
    try:
        record = read_record(folder)
        snapshots = [SNAPSHOTS] if record.snapshots or SNAPSHOTS in record.files else []
        return _look(folder, (WEIGHTS, MASKS, MEASURES, *snapshots))[1]
    except InputError as error:
        return {RECORD: str(error)}


def read_level(folder: Path, record: LevelRecord | None = None) -> StoredLevel:
    """Read a level, with dense weights. Its measures are not read and may be damaged.

    Parameters
    ----------
    record : LevelRecord, optional
        The level's record as it was read before; it is read again if it is no longer that of the files.

    Raises
    ------
    InputError
        If the weights, the masks or the record are missing or damaged.
    NewerFormatError
        If a newer version wrote the level.
    """
    if record is None or _problems(folder, record, (WEIGHTS, MASKS)):
        record = _verified_record(folder, (WEIGHTS, MASKS))
    packed, weights = _load(folder / MASKS), _load(folder / WEIGHTS)
    with _fitting_its_record(folder):
        masks = unpack_masks(packed, record.mask_shapes, "masks")
        states = {
            state: unpack_state(weights, f"{state}/", masks if state == "final" else {})
            for state in ("initial", "final", "rewind")
        }
        return StoredLevel(
            index=record.index,
            masks=masks,
            next_masks=unpack_masks(packed, record.mask_shapes, "next_masks"),
            final=states["final"],
            initial=states["initial"] or None,
            rewind=states["rewind"] or None,
            record=record,
            initial_masks=_initial_masks(packed, record),
        )


def read_snapshots(folder: Path) -> Snapshots:
    """Read the states of a level at the steps of ``measure.at_steps``, with dense weights.

    Returns
    -------
    dict of int to dict of str to Tensor
        By the number of steps that the level had taken; empty if there are none.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    NewerFormatError
        If a newer version wrote the level.
    """
    record = read_record(folder)
    if not record.snapshots and SNAPSHOTS not in record.files:
        return {}
    record = _verified_record(folder, (MASKS, SNAPSHOTS))
    packed, states = _load(folder / MASKS), _load(folder / SNAPSHOTS)
    with _fitting_its_record(folder):
        masks = unpack_masks(packed, record.mask_shapes, "masks")
        return {step: unpack_state(state, "", masks) for step, state in by_step(states).items()}


def read_masks(folder: Path) -> tuple[Masks, Masks]:
    """Read a level's masks, before and after pruning. Its weights and measures may be damaged.

    Raises
    ------
    InputError
        If the masks or the record are missing or damaged.
    NewerFormatError
        If a newer version wrote the level.
    """
    record, packed = _packed_masks(folder)
    with _fitting_its_record(folder):
        return (
            unpack_masks(packed, record.mask_shapes, "masks"),
            unpack_masks(packed, record.mask_shapes, "next_masks"),
        )


def read_initial_masks(folder: Path) -> Masks:
    """Read the masks with which a level began, which are its `masks` unless they changed within it.

    Raises
    ------
    InputError
        If the masks or the record are missing or damaged.
    NewerFormatError
        If a newer version wrote the level.
    """
    record, packed = _packed_masks(folder)
    with _fitting_its_record(folder):
        return _initial_masks(packed, record) or unpack_masks(packed, record.mask_shapes, "masks")


def _packed_masks(folder: Path) -> tuple[LevelRecord, dict[str, np.ndarray]]:
    return _verified_record(folder, (MASKS,)), _load(folder / MASKS)


def _initial_masks(packed: Mapping[str, np.ndarray], record: LevelRecord) -> Masks | None:
    return unpack_masks(packed, record.mask_shapes, "initial_masks") if _has_initial_masks(packed) else None


def _has_initial_masks(packed: Mapping[str, np.ndarray]) -> bool:
    return any(key.startswith("initial_masks/") for key in packed)


def read_measures(folder: Path, record: LevelRecord | None = None) -> dict[str, dict[str, Quantity]]:
    """Read what the instruments found, layer by layer; per-weight maps are 0 outside the mask.

    Parameters
    ----------
    record : LevelRecord, optional
        As in `read_level`.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    NewerFormatError
        If a newer version wrote the level.
    """
    if record is None or _problems(folder, record, (MASKS, MEASURES)):
        record = _verified_record(folder, (MASKS,))
    packed, arrays = _load(folder / MASKS), _load_measures(folder, record)
    with _fitting_its_record(folder):
        masks = unpack_masks(packed, record.mask_shapes, "masks")
        return {
            layer: {name: unpack_quantity(layer, name, entry, arrays, masks) for name, entry in named.items()}
            for layer, named in record.measures.items()
        }


def _verified_record(folder: Path, names: tuple[str, ...]) -> LevelRecord:
    record, problems = _look(folder, names)
    if problems:
        raise InputError("; ".join(problems.values()))
    return record


def _look(folder: Path, names: tuple[str, ...]) -> tuple[LevelRecord, dict[str, str]]:
    """Return a level's record, and the problems with its files."""
    record = read_record(folder)
    for _ in range(_READINGS - 1):
        problems = _problems(folder, record, names)
        # A writer that replaces the measures may have gone on between our two looks.
        if not problems or read_record(folder) == record:
            return record, problems
        record = read_record(folder)
    return record, _problems(folder, record, names)


def _problems(folder: Path, record: LevelRecord, names: tuple[str, ...]) -> dict[str, str]:
    problems = {name: _problem(folder / name, record.files.get(name)) for name in names}
    if problems.get(MEASURES) and not _problem(folder / NEXT_MEASURES, record.files.get(MEASURES)):
        del problems[MEASURES]
    return {name: problem for name, problem in problems.items() if problem}


def _problem(path: Path, digest: str | None) -> str:
    """Return what is wrong with a file whose SHA-256 a record names; empty if nothing is."""
    try:
        if path.is_symlink() or not path.is_file():
            return f"{path} is missing"
        return (
            "" if sha256_of(path) == digest else f"{path} is damaged: its SHA-256 is not the one in {RECORD}"
        )
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}"


def _load_measures(folder: Path, record: LevelRecord) -> dict[str, np.ndarray]:
    """Return the arrays of the measures that a record names, wherever their writer has got to."""
    digest = record.files.get(MEASURES)
    for name in (MEASURES, NEXT_MEASURES, MEASURES):  # again, since they may have been renamed meanwhile
        with suppress(OSError, *_NOT_ARRAYS):
            # Read once: a file that is looked at and then opened may be another one by then.
            with open_regular(folder / name) as file:
                content = file.read()
            if hashlib.sha256(content).hexdigest() == digest:
                return dict(deserialise(content))
    raise InputError(
        _problem(folder / MEASURES, digest) or f"{folder / MEASURES} is damaged: it holds no arrays"
    )


@contextmanager
def _fitting_its_record(folder: Path) -> Iterator[None]:
    # Digests only show that the files belong together. A run from somebody else can be sealed correctly and
    # still contradict itself: shapes that do not fit the arrays, or quantities without an array.
    try:
        yield
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{folder} is damaged: its files hold other arrays than {RECORD} says "
            f"({type(error).__name__}: {error})"
        ) from None


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        require_regular(path)
        return dict(load_file(path))
    except (OSError, *_NOT_ARRAYS) as error:
        raise InputError(f"{path} is missing or damaged ({error})") from None


def _seal(
    folder: Path,
    facts: Mapping[str, Any],
    described: dict[str, Any],
    digests: Mapping[str, str],
    *,
    changed_masks: bool,
) -> None:
    content = dict(facts) | {"measures": described, "files": dict(digests)}
    leaves_out = any("num_classes" in entry for named in described.values() for entry in named.values())
    version = 3 if leaves_out or changed_masks else 2
    write_sealed(folder / RECORD, content, inside=run_around(folder), version=version)


def _finish_replacing(folder: Path) -> None:
    """Let the next measures take the place of the former ones if the record names them, or remove them."""
    following = folder / NEXT_MEASURES
    if not following.is_file():
        return
    if read_record(folder).files.get(MEASURES) == sha256_of(following):
        rename_durably(following, folder / MEASURES, inside=run_around(folder))
    else:
        following.unlink()


def _facts_of(level: Level) -> dict[str, Any]:
    return {
        "index": level.index,
        "is_last": level.is_last,
        "seed": level.seed,
        "density": level.density,
        "num_kept": num_kept_of(level.masks),
        "num_prunable": sum(mask.numel() for mask in level.masks.values()),
        "mask_shapes": {name: list(mask.shape) for name, mask in level.masks.items()},
        "curve": asdict(level.curve),
    }
