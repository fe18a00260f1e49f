"""Data sets that can be downloaded: where they are published, and the SHA-256 of each file.

Many independent projects pin the same digests; those of Fashion-MNIST belong to files whose MD5 is in its
authors' README.
"""

import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from sparsight.atomic import open_atomically
from sparsight.data.images._cache import cache_folder
from sparsight.data.images._downloads import RemoteFile, download, mirrored
from sparsight.errors import InputError

_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST_COPY = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_TORONTO = "https://www.cs.toronto.edu/~kriz/"

MEMBERS: dict[str, dict[str, range]] = {
    "cifar-10-binary.tar.gz": dict.fromkeys(
        (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"),
        range(10_000 * 3073, 10_000 * 3073 + 1),
    ),
    "cifar-100-binary.tar.gz": {
        "train.bin": range(50_000 * 3074, 50_000 * 3074 + 1),
        "test.bin": range(10_000 * 3074, 10_000 * 3074 + 1),
        "fine_label_names.txt": range(1, 2**14),
        "coarse_label_names.txt": range(1, 2**14),
    },
}
"""Archive → the files that are unpacked from it, with the sizes in bytes that they may have."""


def _files(places: tuple[str, ...], *files: tuple[str, int, str]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name, tuple(place + name for place in places), digest, size)
        for name, size, digest in files
    )


PUBLISHED: dict[str, tuple[RemoteFile, ...]] = {
    "fashion-mnist": _files(
        (_FASHION,),
        ("train-images-idx3-ubyte.gz", 26_421_880,
         "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", 29_515,
         "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4_422_102,
         "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5_148,
         "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    "mnist": _files(
        (_MNIST, _MNIST_COPY),
        ("train-images-idx3-ubyte.gz", 9_912_422,
         "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28_881,
         "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877,
         "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542,
         "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    "cifar10": _files(
        (_TORONTO,),
        ("cifar-10-binary.tar.gz", 170_052_171,
         "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ),
    "cifar100": _files(
        (_TORONTO,),
        ("cifar-100-binary.tar.gz", 168_513_733,
         "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
    ),
}  # fmt: skip
"""Name → files, with their published sizes as limits."""


def downloaded_folder(name: str) -> Path:
    """Return the folder that `download_set` fills."""
    return cache_folder() / name


def folder_or_downloaded(folder: str, default: str, name: str) -> Path:
    """Return the folder; if it is the default and does not exist, the downloaded one, if that does."""
    given = Path(folder)
    downloaded = downloaded_folder(name)
    return downloaded if folder == default and not given.is_dir() and downloaded.is_dir() else given


def download_set(
    name: str, mirrors: Sequence[str] = (), on_attempt: Callable[[str], None] = lambda _: None
) -> Path:
    """Download a data set into the user's cache folder, and return its folder there.

    Parameters
    ----------
    name : str
        A key of `PUBLISHED`.
    mirrors : sequence of str
        Addresses of folders with the same files, ``https:`` or ``file:``, tried first.
    on_attempt : callable
        Called with each address before it is tried.

    Raises
    ------
    InputError
        If the name is unknown, or a file cannot be downloaded or kept.
    """
    if name not in PUBLISHED:
        raise InputError(f"{name!r} cannot be downloaded; {', '.join(PUBLISHED)} can")
    folder = downloaded_folder(name)
    for file in PUBLISHED[name]:
        path = download(mirrored(file, mirrors), folder, on_attempt=on_attempt)
        if path.name in MEMBERS:
            unpack(path, folder, MEMBERS[path.name])
    return folder


def unpack(archive: Path, folder: Path, members: Mapping[str, range]) -> None:
    """Unpack the named files of an archive, whatever folder they are in there, and nothing else from it.

    Parameters
    ----------
    members : mapping of str to range
        File name → the sizes in bytes that it may have.
    """
    missing = set(members)
    try:
        with tarfile.open(archive, "r:gz") as content:
            for member in content:
                name = PurePosixPath(member.name).name  # no folder: a member cannot choose where it goes
                if name in missing and member.isreg() and member.size in members[name]:
                    source = content.extractfile(member)
                    assert source is not None  # a regular file has content
                    with open_atomically(folder / name) as target:
                        shutil.copyfileobj(source, target)
                    missing.remove(name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(
            f"{archive} cannot be unpacked in {folder} ({error}); remove it and try again"
        ) from None
    if missing:
        raise InputError(f"{archive} does not hold {', '.join(sorted(missing))}; remove it and try again")
