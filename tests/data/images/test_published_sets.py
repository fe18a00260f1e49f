import io
import tarfile

import pytest

from sparsight.data import PUBLISHED, SOURCES
from sparsight.data.images._published_sets import MEMBERS, unpack
from sparsight.errors import InputError

BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
SMALL = dict.fromkeys(BATCHES, range(100, 101))


def unpack_batches(archive, folder):
    unpack(archive, folder, SMALL)


def test_whatever_can_be_downloaded_is_a_source_of_that_name():
    assert PUBLISHED.keys() <= set(SOURCES)
    archives = {file.name for files in PUBLISHED.values() for file in files if ".tar" in file.name}
    assert archives == MEMBERS.keys()


def write_archive(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def honest(**changes):
    return [
        (tarfile.TarInfo(f"cifar-10-batches-bin/{name}"), changes.get(name.partition(".")[0], bytes(100)))
        for name in BATCHES
    ]


def test_the_six_batches_are_unpacked_and_nothing_else(tmp_path):
    extra = [(tarfile.TarInfo(name), b"x") for name in ("../outside", "/tmp/absolute", "readme.html")]
    link = tarfile.TarInfo("data_batch_1.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    folder = tmp_path / "cache"
    folder.mkdir()
    unpack_batches(write_archive(tmp_path / "a.tar.gz", [(link, b""), *extra, *honest()]), folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(BATCHES)
    assert all(
        (folder / name).read_bytes() == bytes(100) and not (folder / name).is_symlink() for name in BATCHES
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "cache"]


def test_batches_of_another_size_or_damaged_archives_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not hold test_batch.bin"):
        unpack_batches(write_archive(tmp_path / "a.tar.gz", honest(test_batch=bytes(101))), tmp_path)
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack_batches(tmp_path / "cut.tar.gz", tmp_path)


def test_the_files_of_cifar100_are_unpacked_with_the_names_of_its_classes(tmp_path):
    members = {
        name: range(10, 12) if name.endswith(".bin") else sizes
        for name, sizes in MEMBERS["cifar-100-binary.tar.gz"].items()
    }
    content = {"train.bin": b"x" * 11, "test.bin": b"y" * 10, "fine_label_names.txt": b"apple\n"}
    files = [(tarfile.TarInfo(f"cifar-100-binary/{name}"), each) for name, each in content.items()]
    with pytest.raises(InputError, match="does not hold coarse_label_names.txt"):
        unpack(write_archive(tmp_path / "a.tar.gz", files), tmp_path, members)
    names = (tarfile.TarInfo("cifar-100-binary/coarse_label_names.txt"), b"fruit\n")
    unpack(write_archive(tmp_path / "a.tar.gz", [*files, names]), tmp_path, members)
    assert (tmp_path / "train.bin").read_bytes() == b"x" * 11
