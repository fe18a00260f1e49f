import socket

import numpy as np
import pytest
from PIL import Image

from sparsight.data import patches
from sparsight.data.images._patches import DEFAULT_PICTURES
from sparsight.data.images._regions import FLAT_SD, region
from sparsight.errors import InputError
from sparsight.recipe import DataSettings

SMALL = {"size": 9, "num_train": 403, "num_test": 202}


@pytest.fixture(scope="module")
def task():
    return patches(**SMALL, seed=0)


@pytest.fixture
def sided(tmp_path):
    """Three pictures whose brightness says on which side of the boundary a pixel is."""
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 80, (40, 101), dtype=np.uint8)
        pixels[:, int(0.6 * 101) :] += 170
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def raw(task, split):
    """The patches in units of full scale."""
    per_channel = (-1, 1, 1)
    sd = np.array(task.card["channel_sd"], np.float32).reshape(per_channel)
    mean = np.array(task.card["channel_mean"], np.float32).reshape(per_channel)
    return getattr(task, f"{split}_inputs") * sd + mean


def test_task_has_the_stated_shape_and_balance(task):
    assert task.train_inputs.shape == (403, 1, 9, 9)
    assert task.test_inputs.shape == (202, 1, 9, 9)
    assert task.card["classes"] == list(DEFAULT_PICTURES)
    assert set(task.card["licence"]) == set(task.card["picture_digests"]) == set(DEFAULT_PICTURES)
    for labels in (task.train_labels, task.test_labels):
        counts = np.bincount(labels, minlength=10)
        assert counts.max() - counts.min() <= 1


def test_it_needs_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    names = [*DEFAULT_PICTURES, "moon", "page", "rocket"]
    assert patches(pictures=names, size=9, num_train=26, num_test=26, seed=0).num_classes == 13


def test_it_is_a_function_of_the_seed(task):
    again, other = (patches(**SMALL, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(task.train_inputs, again.train_inputs)
    assert not np.array_equal(task.test_inputs, other.test_inputs)


def test_no_test_patch_shares_a_source_pixel_with_a_training_patch(sided):
    """At every scale: no value of the other side enters a patch, not through the shrinking either."""
    task = patches(
        folder=str(sided), size=8, scales=(1.0, 0.5, 0.3), num_train=300, num_test=300, online=True, seed=0
    )
    assert raw(task, "train").max() < 80.5 / 255
    assert raw(task, "test").min() > 169.5 / 255
    sd, mean = (np.float32(task.card[key][0]) for key in ("channel_sd", "channel_mean"))
    drawn, _ = task.batch(seed=3, step=5, batch_size=200)
    assert (drawn.numpy() * sd + mean).max() < 80.5 / 255


@pytest.mark.parametrize("grey", [True, False])
def test_every_patch_is_a_window_of_its_own_picture_and_split(tmp_path, grey):
    rng = np.random.default_rng(1)
    pictures = {f"{n}.png": rng.integers(0, 256, (30, 50, 3), dtype=np.uint8) for n in range(2)}
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / name)
    task = patches(folder=str(tmp_path), size=6, grey=grey, num_train=24, num_test=24, seed=0)
    for split in ("train", "test"):
        for patch, label in zip(raw(task, split), getattr(task, f"{split}_labels"), strict=True):
            picture = Image.fromarray(pictures[task.card["classes"][label]])
            pixels = np.asarray(picture.convert("L"))[:, :, None] if grey else np.asarray(picture)
            distances = [
                np.abs(windows - patch).max(axis=(2, 3, 4)).min()
                for scale in (1.0, 0.5)
                for windows in [
                    np.lib.stride_tricks.sliding_window_view(
                        region(pixels, split, scale), (6, 6), axis=(0, 1)
                    )
                ]
            ]
            assert min(distances) < 1e-5


def test_scales_have_equal_shares(sided):
    """A shrunk patch of white noise has a smaller standard deviation than one at scale 1."""
    task = patches(folder=str(sided), size=8, scales=(1.0, 0.5), num_train=300, num_test=60, seed=0)
    spread = np.sort(raw(task, "train").std(axis=(1, 2, 3)))
    assert np.argmax(np.diff(spread)) == 149


@pytest.mark.parametrize(("kind", "axes"), [("channel", (0, 2, 3)), ("pixel", (0,)), ("patch", (1, 2, 3))])
def test_standardisation_is_over_the_stated_axes(kind, axes):
    task = patches(**SMALL, grey=False, standardise=kind, seed=0)
    np.testing.assert_allclose(task.train_inputs.mean(axis=axes), 0, atol=1e-4)
    np.testing.assert_allclose(task.train_inputs.std(axis=axes), 1, atol=1e-3)
    if kind == "patch":
        np.testing.assert_allclose(task.test_inputs.mean(axis=axes), 0, atol=1e-4)
    else:
        assert np.abs(task.test_inputs.mean(axis=axes)).max() > 1e-2


def test_online_batches_are_fresh_balanced_and_a_function_of_seed_and_step():
    task = patches(**SMALL, standardise="patch", online=True, seed=0)
    inputs, labels = task.batch(seed=2, step=7, batch_size=33)
    assert np.ptp(np.bincount(labels.numpy(), minlength=10)) <= 1
    again, _ = task.batch(seed=2, step=7, batch_size=33)
    other, _ = task.batch(seed=2, step=8, batch_size=33)
    assert (inputs == again).all()
    assert (inputs != other).any(dim=1).all()
    np.testing.assert_allclose(inputs.mean(dim=1), 0, atol=1e-4)
    fixed = patches(**SMALL, standardise="patch", seed=0)
    assert fixed.draw is None
    np.testing.assert_array_equal(fixed.train_inputs, task.train_inputs)


def test_online_batches_agree_with_the_training_split_in_class_means(sided):
    """Planted: the classes differ in brightness, so a label that did not go with its patch would show."""
    for number in range(3):
        pixels = np.asarray(Image.open(sided / f"{number}.png"))
        Image.fromarray((pixels // 3 + 50 * number).astype(np.uint8)).save(sided / f"{number}.png")
    task = patches(folder=str(sided), size=8, scales=(1.0,), num_train=90, num_test=90, online=True, seed=0)
    drawn, drawn_labels = task.batch(seed=0, step=0, batch_size=90)
    for label in range(3):
        fixed = task.train_inputs[task.train_labels == label].mean()
        assert drawn[drawn_labels == label].mean().item() == pytest.approx(fixed, abs=0.1)


def test_flat_patches_are_rejected_and_counted(tmp_path):
    """Half of the training part is flat, so about as many patches are rejected as are kept."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 200), dtype=np.uint8)
    pixels[:, 60:120] = 90
    for name in "ab":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    task = patches(folder=str(tmp_path), size=4, scales=(1.0,), num_train=2000, num_test=40, seed=0)
    assert raw(task, "train").std(axis=(1, 2, 3)).min() >= FLAT_SD - 1e-6
    flat_positions, positions = 57, 117  # windows of width 4 inside columns 60–119, of those inside 0–119
    expected = 2000 * flat_positions / (positions - flat_positions)
    assert task.card["rejected_flat_patches"]["train"] == pytest.approx(expected, rel=0.15)
    assert task.card["rejected_flat_patches"]["test"] == 0
    assert task.card["rejected_by_picture"]["test"] == {"a.png": 0, "b.png": 0}


def test_folders_are_classes_and_their_pictures_share_evenly(sided):
    for index, name in enumerate(("left", "left", "right")):
        (sided / name).mkdir(exist_ok=True)
        (sided / f"{index}.png").rename(sided / name / f"{index}.png")
    task = patches(folder=str(sided), size=8, num_train=40, num_test=40, seed=0)
    assert task.card["classes"] == ["left", "right"]
    assert set(task.card["picture_digests"]) == {"left/0.png", "left/1.png", "right/2.png"}
    assert np.bincount(task.train_labels).tolist() == [20, 20]


def test_pictures_of_one_name_in_two_folders_are_two_pictures(sided):
    for index, name in enumerate(("left", "right")):
        (sided / name).mkdir()
        (sided / f"{index}.png").rename(sided / name / "same.png")
    (sided / "2.png").unlink()
    task = patches(folder=str(sided), size=8, num_train=40, num_test=40, seed=0)
    assert set(task.card["picture_digests"]) == {"left/same.png", "right/same.png"}


def test_sixteen_bits_are_read_in_full(tmp_path):
    fine = np.random.default_rng(0).integers(0, 2**16, (30, 80)).astype(np.uint16)
    for name in "ab":
        Image.fromarray(fine).save(tmp_path / f"{name}.png")
    task = patches(folder=str(tmp_path), size=30, scales=(1.0,), num_train=2, num_test=2, seed=0)
    assert len(np.unique(raw(task, "train"))) > 800  # 8 bits have 256


def test_a_recipe_takes_it():
    settings = DataSettings.model_validate({"source": "patches", "pictures": ["brick", "coins"], "size": 5})
    assert settings.model_extra["standardise"] == "channel"
    with pytest.raises(ValueError, match="scales"):
        DataSettings.model_validate({"source": "patches", "scales": [1.5]})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"pictures": ["brick", "gras"]},
            r"data.pictures: 'gras' is not in scikit-image; did you mean grass",
        ),
        ({"pictures": ["brick", "brick"]}, "names a picture twice"),
        ({"pictures": ["brick", "coins"], "folder": "x"}, "data.pictures and data.folder are both given"),
        ({"folder": "/no/such/folder"}, "'/no/such/folder' is not a folder"),
        ({"size": 100}, r"data.size is 100, but the \w+ part of \w+ at scale 0.5 is \d+ × \d+ pixels"),
        ({"num_train": 9}, "data.num_train is 9; at least one for each of 10 classes"),
    ],
)
def test_wrong_options_are_named(options, match):
    with pytest.raises(InputError, match=match):
        patches(**options, seed=0)


def test_pictures_beside_folders_are_refused(sided):
    (sided / "folder").mkdir()
    with pytest.raises(InputError, match=r"has 3 picture\(s\) \('0.png'\) beside 1 folder\(s\) \('folder'\)"):
        patches(folder=str(sided), seed=0)


def test_a_single_picture_is_refused(tmp_path):
    Image.new("L", (50, 50)).save(tmp_path / "only.png")
    with pytest.raises(InputError, match=r"has 1 picture\(s\); at least two"):
        patches(folder=str(tmp_path), seed=0)


def test_pictures_without_structure_are_refused(tmp_path):
    for name in "ab":
        Image.new("L", (50, 50), 77).save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=r"almost all patches of a.png at scale 1 are flat"):
        patches(folder=str(tmp_path), size=4, num_train=20, num_test=20, seed=0)
