import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from sparsight.data import describe_task, image_folder
from sparsight.errors import InputError
from sparsight.recipe import DataSettings


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def folder_of(place, per_class, shape=(8, 8, 3), seed=0):
    rng = np.random.default_rng(seed)
    for name, count in per_class.items():
        for index in range(count):
            save(place / name / f"{index:03}.png", rng.integers(0, 256, shape, dtype=np.uint8))
    return place


@pytest.fixture
def place(tmp_path):
    return folder_of(tmp_path / "pets", {"cat": 10, "dog": 20})


def pixels_of(place, name):
    return {Image.open(path).tobytes(): path.name for path in sorted((place / name).iterdir())}


def test_pictures_labels_and_split_are_those_of_the_folder(place):
    task = image_folder(folder=str(place), size=(8, 8), seed=0)
    assert task.name == "pets"
    assert task.card["classes"] == ["cat", "dog"]
    assert np.bincount(task.train_labels).tolist() == [8, 16]
    assert np.bincount(task.test_labels).tolist() == [2, 4]
    known = [pixels_of(place, name) for name in ("cat", "dog")]
    seen = []
    for split in ("train", "test"):
        inputs, labels = getattr(task, f"{split}_inputs"), getattr(task, f"{split}_labels")
        assert inputs.dtype == np.uint8
        for picture, label in zip(inputs, labels, strict=True):
            seen.append((int(label), known[label][np.moveaxis(picture, 0, 2).tobytes()]))
    assert sorted(seen) == [(0, f"{n:03}.png") for n in range(10)] + [(1, f"{n:03}.png") for n in range(20)]


def test_the_split_does_not_depend_on_the_seed_of_the_run(place):
    first, second = (image_folder(folder=str(place), size=(8, 8), seed=seed) for seed in (0, 1))
    other = image_folder(folder=str(place), size=(8, 8), split_seed=1, seed=0)
    np.testing.assert_array_equal(first.test_inputs, second.test_inputs)
    assert not np.array_equal(first.test_inputs, other.test_inputs)


def test_train_and_test_folders_are_the_split(tmp_path):
    folder_of(tmp_path / "train", {"a": 3, "b": 4})
    folder_of(tmp_path / "test", {"a": 2, "b": 1}, seed=1)
    task = image_folder(folder=str(tmp_path), size=(8, 8), seed=0)
    assert task.train_labels.tolist() == [0] * 3 + [1] * 4
    assert task.test_labels.tolist() == [0, 0, 1]
    assert task.card["split"] == "folders train and test"
    with pytest.raises(InputError, match=r"data.test_share is 0.5, but .* has the folders train and test"):
        image_folder(folder=str(tmp_path), test_share=0.5, seed=0)


def test_area_is_the_mean_of_blocks(tmp_path):
    folder_of(tmp_path, {"a": 2, "b": 2}, shape=(12, 12))
    task = image_folder(folder=str(tmp_path), size=(4, 4), grey=True, test_share=0.5, seed=0)
    expected = [
        np.asarray(Image.open(path)).reshape(4, 3, 4, 3).mean(axis=(1, 3)) for path in tmp_path.rglob("*.png")
    ]
    for picture in (
        *task.train_inputs[:, 0],
        *task.test_inputs[:, 0],
    ):  # rows and columns are rounded one after the other
        assert min(np.abs(picture - each).max() for each in expected) <= 1


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "lanczos"])
def test_every_filter_averages_when_it_shrinks(tmp_path, resize):
    """A chessboard of single pixels becomes grey; without averaging it would stay black and white."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    for name in ("a/0.png", "a/1.png", "b/0.png"):
        save(tmp_path / name, board)
    save(tmp_path / "b/1.png", 255 - board // 2)
    task = image_folder(folder=str(tmp_path), size=(8, 8), grey=True, resize=resize, test_share=0.5, seed=0)
    assert np.abs(task.train_inputs[0, 0, 2:-2, 2:-2] - 127.5).max() < 8
    assert task.card["resize"] == resize


def test_aspect_is_cut_or_stretched(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    wide[0, 0] = 1
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        save(tmp_path / name, wide)
    with pytest.raises(InputError, match="constant"):  # the cut keeps the bright middle only
        image_folder(folder=str(tmp_path), size=(8, 8), grey=True, test_share=0.5, seed=0)
    task = image_folder(folder=str(tmp_path), size=(8, 24), grey=True, test_share=0.5, seed=0)
    np.testing.assert_array_equal(task.train_inputs[0, 0], wide)
    task = image_folder(
        folder=str(tmp_path), size=(8, 12), grey=True, aspect="stretch", test_share=0.5, seed=0
    )
    assert (task.train_inputs[0, 0, 1:, 5:7] == 200).all()
    assert (task.train_inputs[0, 0, 1:, :3] == 0).all()


def test_mixed_kinds_of_files_become_one_array(tmp_path):
    rng = np.random.default_rng(0)
    save(tmp_path / "a/colour.PNG", rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    save(tmp_path / "a/grey.Jpg", rng.integers(0, 256, (8, 8), dtype=np.uint8))
    save(tmp_path / "b/0.webp", rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    save(tmp_path / "b/1.bmp", rng.integers(0, 256, (8, 8), dtype=np.uint8))
    task = image_folder(folder=str(tmp_path), size=(8, 8), seed=0)
    assert task.train_inputs.shape == (2, 3, 8, 8)
    assert task.card["modes"] == {"L": 2, "RGB": 2}


def test_sixteen_bits_make_the_task_float_and_keep_their_steps(tmp_path):
    folder_of(tmp_path, {"a": 3, "b": 3}, shape=(8, 8))
    steps = np.arange(64, dtype=np.uint16).reshape(8, 8)  # one grey value with 8 bits
    for number in range(3):
        save(tmp_path / f"a/{number:03}.png", 30_000 + steps)
    task = image_folder(folder=str(tmp_path), size=(8, 8), grey=True, seed=0)
    assert task.train_inputs.dtype == np.float32
    assert len(np.unique(task.train_inputs[0])) == 64


def test_hidden_files_are_left_out_and_others_counted(place):
    for name in (".DS_Store", "._000.png", "Thumbs.db", "notes.txt", "more.GIF"):
        (place / "cat" / name).write_bytes(b"x")
    (place / ".cache").mkdir()
    task = image_folder(folder=str(place), size=(8, 8), seed=0)
    assert len(task.train_labels) + len(task.test_labels) == 30
    assert task.card["left_out"] == {".db": 1, ".gif": 1, ".txt": 1}


def test_pictures_in_folders_inside_a_class_belong_to_it(place):
    (place / "cat" / "inner").mkdir()
    (place / "cat" / "000.png").rename(place / "cat" / "inner" / "000.png")
    task = image_folder(folder=str(place), size=(8, 8), seed=0)
    assert np.bincount(task.train_labels).tolist() == [8, 16]


def test_links_do_not_lead_around_in_a_circle(place):
    (place / "cat" / "up").symlink_to(place, target_is_directory=True)
    task = image_folder(folder=str(place), size=(8, 8), seed=0)
    assert len(task.train_labels) + len(task.test_labels) == 30
    assert task.card["left_out"] == {"links to folders": 1}
    (place / "mouse").symlink_to(place, target_is_directory=True)
    with pytest.raises(InputError, match=r"mouse is a link to a folder that it is in"):
        image_folder(folder=str(place), size=(8, 8), seed=0)
    (place / "mouse").unlink()
    (place / "mouse").symlink_to(place / "cat", target_is_directory=True)
    with pytest.raises(InputError, match=r"class folders 'cat' and 'mouse' .* are the same"):
        image_folder(folder=str(place), size=(8, 8), seed=0)


def test_a_file_that_links_to_itself_is_named(place):
    (place / "dog" / "self.png").symlink_to(place / "dog" / "self.png")
    with pytest.raises(InputError, match=r"self.png cannot be read: Too many levels of symbolic links"):
        image_folder(folder=str(place), size=(8, 8), seed=0)


def test_a_class_folder_may_be_a_link(place, tmp_path):
    folder_of(tmp_path / "elsewhere", {"mice": 5}, seed=3)
    (place / "mouse").symlink_to(tmp_path / "elsewhere" / "mice", target_is_directory=True)
    assert image_folder(folder=str(place), size=(8, 8), seed=0).card["classes"] == ["cat", "dog", "mouse"]


def test_names_in_any_script_give_classes_in_one_order(tmp_path):
    """é is one character on some systems and two on others; the order and the names are the same."""
    for form in ("NFC", "NFD"):
        names = [unicodedata.normalize(form, name) for name in ("écureuil", "eland", "猫", "zèbre")]
        place = folder_of(tmp_path / form, dict.fromkeys(names, 3))
        task = image_folder(folder=str(place), size=(8, 8), seed=0)
        assert task.card["classes"] == ["eland", "zèbre", "écureuil", "猫"]


def test_one_damaged_file_among_many_is_named(tmp_path):
    place = folder_of(tmp_path, {"a": 300, "b": 300}, shape=(4, 4))
    (place / "b" / "123.png").write_bytes((place / "b" / "123.png").read_bytes()[:50])
    with pytest.raises(InputError, match=r"b/123.png is not a picture .* or is damaged") as caught:
        image_folder(folder=str(place), size=(4, 4), seed=0)
    assert "more cannot be used" not in str(caught.value)
    (place / "a" / "007.png").write_text("not found")
    (place / "b" / "123.png").write_text("")
    with pytest.raises(InputError, match=r"a/007.png is not a picture.*; 1 more cannot be used: .*b/123.png"):
        image_folder(folder=str(place), size=(4, 4), seed=0)


def test_a_repeated_picture_in_both_splits_is_counted(tmp_path):
    folder_of(tmp_path / "train", {"a": 3, "b": 3})
    folder_of(tmp_path / "test", {"a": 2, "b": 2}, seed=1)
    os.link(tmp_path / "train/a/000.png", tmp_path / "test/a/000-copy.png")
    task = image_folder(folder=str(tmp_path), size=(8, 8), seed=0)
    assert task.card["test_pictures_equal_to_training_pictures"] == 1


def test_changed_files_are_read_again_and_unchanged_ones_are_not(place, monkeypatch):
    first = image_folder(folder=str(place), size=(8, 8), seed=0)
    monkeypatch.setattr("sparsight.data.images._resized.Resizing.pixels", None)
    again = image_folder(folder=str(place), size=(8, 8), seed=0)
    np.testing.assert_array_equal(first.train_inputs, again.train_inputs)
    monkeypatch.undo()
    for path in place.rglob("*.png"):
        save(path, 255 - np.asarray(Image.open(path)))
    changed = image_folder(folder=str(place), size=(8, 8), seed=0)
    np.testing.assert_array_equal(changed.train_inputs, 255 - first.train_inputs)


def test_a_subset_and_a_recipe(place):
    settings = DataSettings.model_validate(
        {
            "source": "images",
            "folder": str(place),
            "size": [8, 8],
            "num_train": 12,
            "clone": "gaussian_shared",
        }
    )
    task = settings.build(seed=1)
    assert len(task.train_labels) == 12
    assert describe_task(task)["input"] == "3 channel(s) of 8 × 8"


def _empty_class(place):
    (place / "bird").mkdir()
    (place / "bird" / "notes.txt").write_text("none yet")


def _one_picture(place):
    folder_of(place, {"bird": 1})


def _validation(place):
    for name in ("train", "val"):
        (place / name).mkdir()


def _unequal(place):
    for name in ("cat", "dog"):
        for path in sorted((place / name).iterdir()):
            (place / "train" / name).mkdir(parents=True, exist_ok=True)
            path.rename(place / "train" / name / path.name)
        (place / name).rmdir()
    folder_of(place / "test", {"cat": 2, "cow": 2})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_empty_class, r"class folder .*bird holds no picture \(.png, .*add some or remove the folder"),
        (_one_picture, r"class 'bird' has 1 picture"),
        (_validation, r"holds cat, dog, train, val; give folders train and test"),
        (_unequal, r"class 'cow' is in only one of train and test"),
    ],
)
def test_folders_that_cannot_be_used_are_explained(place, change, match):
    change(place)
    with pytest.raises(InputError, match=match) as caught:
        image_folder(folder=str(place), size=(8, 8), seed=0)
    assert "\n" not in str(caught.value)


def test_pictures_without_class_folders_are_refused(place):
    with pytest.raises(
        InputError, match=r"has 10 picture\(s\) and 0 folder\(s\); it needs a folder for each"
    ):
        image_folder(folder=str(place / "cat"), seed=0)
    with pytest.raises(InputError, match=r"has 0 picture\(s\) and 1 folder\(s\) \('pets'\)"):
        image_folder(folder=str(place.parent), seed=0)
    with pytest.raises(InputError, match="is not a folder"):
        image_folder(folder=str(place / "cat" / "000.png"), seed=0)
