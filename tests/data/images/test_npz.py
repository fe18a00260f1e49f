import zipfile

import numpy as np
import pytest

from sparsight.data import npz
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.recipe import DataSettings


def arrays(**changes):
    stream = np.random.default_rng(0)
    return {
        "train_inputs": stream.normal(5, 2, (40, 2, 3, 4)),
        "train_labels": np.arange(40) % 3,
        "test_inputs": stream.normal(5, 2, (10, 2, 3, 4)),
        "test_labels": np.arange(10) % 3,
    } | changes


def written(tmp_path, **changes):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays(**changes))
    return str(path)


def test_npz_makes_a_standardised_task(tmp_path):
    task = npz(path=written(tmp_path), wraps=True, seed=0)
    assert task.geometry.shape == (2, 3, 4)
    assert task.geometry.wraps
    assert task.num_classes == 3
    np.testing.assert_allclose(task.train_inputs.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(task.train_inputs.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_bytes_stay_bytes(tmp_path):
    raw = np.random.default_rng(0).integers(0, 256, (40, 1, 6), dtype=np.uint8)
    task = npz(path=written(tmp_path, train_inputs=raw, test_inputs=raw[:10]), seed=0)
    assert task.train_inputs.dtype == np.uint8
    assert task.samples("train")[0].std(unbiased=False).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_inputs": np.full((40, 2, 3, 4), np.nan)}, "hold NaN or infinite pixels"),
        ({"train_inputs": np.zeros((40, 12))}, r"\(n, channels, length\)"),
        ({"train_inputs": np.zeros((40, 2, 3, 4), np.int64)}, "floats or uint8 are allowed"),
        ({"train_labels": np.arange(40) + 0.5}, "train_labels hold 0.5; class labels are whole numbers"),
        ({"train_labels": np.arange(30)}, "one for each of the 40 samples"),
        ({"test_labels": np.arange(10)}, "test_labels hold 3, 4, .*every class needs training samples"),
        ({"train_labels": np.zeros(40, np.int64), "test_labels": np.zeros(10, np.int64)}, "only one class"),
        ({"train_labels": np.resize(["a", "b", "c"], 40)}, "both must be numbers or both strings"),
        ({"train_inputs": np.ones((40, 2, 3, 4))}, "channel 0 of the training inputs is constant"),
        ({"test_inputs": np.zeros((10, 2, 3, 4), np.uint8)}, "the same dtype"),
        ({"train_labels": np.array([None] * 40)}, "holds Python objects"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        npz(path=written(tmp_path, **changes), seed=0)


def test_what_declares_too_much_is_refused_before_it_is_unpacked(tmp_path):
    with pytest.raises(InputError, match=r"would unpack to \d+ bytes; data.max_bytes is 1000"):
        npz(path=written(tmp_path), max_bytes=1000, seed=0)


def test_a_header_that_lies_is_refused(tmp_path):
    path = written(tmp_path)
    bad = tmp_path / "bad.npz"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(bad, "w") as archive:
        for name in good.namelist():
            content = good.read(name)
            archive.writestr(name, content.replace(b"(40, 2, 3, 4)", b"(99, 2, 3, 4)"))
    with pytest.raises(InputError, match="train_inputs declares 19008 bytes and holds"):
        npz(path=str(bad), seed=0)


def test_files_that_are_not_there_or_no_npz_are_named(tmp_path):
    with pytest.raises(InputError, match="does not exist; name an .npz file"):
        npz(path=str(tmp_path / "absent.npz"), seed=0)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="is not an .npz file or is damaged"):
        npz(path=str(tmp_path / "text.npz"), seed=0)
    np.savez(tmp_path / "half.npz", train_inputs=np.zeros(3))
    with pytest.raises(InputError, match="has no array 'train_labels'; it needs train_inputs, train_labels"):
        npz(path=str(tmp_path / "half.npz"), seed=0)


@pytest.mark.parametrize(
    "names",
    [[1, 2, 3], [-1, 0, 7], [0.0, 5.0, 2**40], ["cat", "dog", "eel"], [b"cat", b"dog", b"eel"]],
    ids=["from 1", "gaps", "floats", "text", "bytes"],
)
def test_labels_are_numbered_from_0_and_the_card_keeps_the_map(tmp_path, names):
    labels = {
        "train_labels": np.array(names)[np.arange(40) % 3],
        "test_labels": np.array(names)[:2].repeat(5),
    }
    task = npz(path=written(tmp_path, **labels), seed=0)
    assert task.num_classes == 3
    np.testing.assert_array_equal(task.train_labels, np.arange(40) % 3)
    np.testing.assert_array_equal(task.test_labels, np.repeat([0, 1], 5))
    assert list(task.card["label_map"].values()) == [0, 1, 2]


def test_one_hot_rows_are_labels_and_labels_that_stay_have_no_map(tmp_path):
    plain = npz(path=written(tmp_path), seed=0)
    assert "label_map" not in plain.card
    rows = {"train_labels": np.eye(3)[np.arange(40) % 3], "test_labels": np.eye(3)[np.arange(10) % 3]}
    np.testing.assert_array_equal(npz(path=written(tmp_path, **rows), seed=0).test_labels, plain.test_labels)


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e12])
def test_values_far_from_0_are_standardised_before_they_lose_their_digits(tmp_path, offset):
    plain = arrays()
    shifted = {name: offset + plain[name] for name in ("train_inputs", "test_inputs")}
    task = npz(path=written(tmp_path, **shifted), seed=0)
    axes = (0, 2, 3)
    mean, sd = (getattr(plain["train_inputs"], what)(axis=axes, keepdims=True) for what in ("mean", "std"))
    rounding = 4 * np.spacing(abs(offset)) + 1e-6
    for name, found in (("train_inputs", task.train_inputs), ("test_inputs", task.test_inputs)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, (plain[name] - mean) / sd, rtol=1e-5, atol=rounding)


def test_a_constant_far_from_0_is_constant(tmp_path):
    with pytest.raises(InputError, match="channel 0 of the training inputs is constant"):
        npz(path=written(tmp_path, train_inputs=np.full((40, 2, 3, 4), 1e9 + 0.1)), seed=0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("largest", [1.0, 60000.0])
def test_float16_is_read_as_the_same_values_in_float32_without_warnings(tmp_path, largest):
    plain = arrays()
    half = {
        name: (largest * plain[name] / np.abs(plain[name]).max()).astype(np.float16)
        for name in ("train_inputs", "test_inputs")
    }
    task = npz(path=written(tmp_path, **half), seed=0)
    single = {name: values.astype(np.float32) for name, values in half.items()}
    expected = npz(path=written(tmp_path, **single), seed=0)
    np.testing.assert_array_equal(task.train_inputs, expected.train_inputs)


@pytest.mark.parametrize(
    ("shape", "options", "geometry"),
    [
        ((40, 28, 28), {"channels": 1}, Geometry(1, (28, 28))),
        ((40, 28, 28), {"channels": 28}, Geometry(28, (28,))),
        ((40, 2, 28), {}, Geometry(2, (28,))),
        ((40, 8, 6, 3), {"channels_last": True}, Geometry(3, (8, 6))),
        ((40, 9, 6, 5), {"channels": 9}, Geometry(9, (6, 5))),
    ],
)
def test_axes_are_read_as_they_are_named(tmp_path, shape, options, geometry):
    raw = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    task = npz(path=written(tmp_path, train_inputs=raw, test_inputs=raw[:10]), seed=0, **options)
    assert task.geometry == geometry
    expected = np.moveaxis(raw, -1, 1) if options.get("channels_last") else raw
    np.testing.assert_array_equal(task.train_inputs, expected.reshape(40, *geometry.shape))


@pytest.mark.parametrize(
    ("shape", "options", "readings"),
    [
        (
            (40, 28, 28),
            {},
            ("grey pictures of 28 × 28", "28 channels", "data.channels and data.channels_last"),
        ),
        ((40, 5, 9), {}, ("grey pictures of 5 × 9", "5 channels")),
        ((40, 32, 32, 3), {}, ("32 channels of 32 × 3", "3 channels of 32 × 32")),
        ((40, 11, 11, 200), {}, ("11 channels of 11 × 200", "200 channels of 11 × 11")),
    ],
)
def test_a_shape_with_two_readings_is_refused(tmp_path, shape, options, readings):
    path = written(tmp_path, train_inputs=np.ones(shape), test_inputs=np.ones(shape)[:10])
    with pytest.raises(InputError) as caught:
        npz(path=path, seed=0, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: train_inputs have shape {shape}")
    assert all(reading in message for reading in readings)


def test_a_recipe_that_names_no_axes_keeps_its_hash(tmp_path):
    path = written(tmp_path)
    plain, spelt = (DataSettings(source="npz", path=path, **more) for more in ({}, {"channels_last": False}))
    assert plain.model_dump() == spelt.model_dump()
    assert not {"channels", "channels_last"} & set(plain.model_dump())
