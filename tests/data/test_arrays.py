import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

RNG = np.random.default_rng(0)
LABELS = np.arange(6) % 2


def task_of(inputs, labels=LABELS, **options):
    return Task.from_arrays(inputs, labels, inputs, labels, **{"standardise": "none", **options})


def numbered(shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "options", "geometry"),
    [
        ((6, 1, 5, 7), {}, Geometry(1, (5, 7))),
        ((6, 3, 5, 7), {}, Geometry(3, (5, 7))),
        ((6, 3, 3, 3), {}, Geometry(3, (3, 3))),
        ((6, 9, 5, 7), {"channels": 9}, Geometry(9, (5, 7))),
        ((6, 5, 7), {"channels": 1}, Geometry(1, (5, 7))),
        ((6, 5, 7), {"channels": 5}, Geometry(5, (7,))),
        ((6, 5, 1), {"channels": 1}, Geometry(1, (5, 1))),
        ((6, 5, 7), {"channels": 1, "channels_last": True}, Geometry(1, (5, 7))),
        ((6, 1, 7), {}, Geometry(1, (7,))),
        ((6, 1, 7), {"channels": 1, "wraps": True}, Geometry(1, (7,), wraps=True)),
        ((6, 7), {"channels": 1}, Geometry(1, (7,))),
        ((6, 60), {"geometry": Geometry(3, (4, 5), wraps=True)}, Geometry(3, (4, 5), wraps=True)),
        ((6, 4, 5), {"geometry": Geometry(1, (4, 5))}, Geometry(1, (4, 5))),
        ((6, 3, 4, 5), {"geometry": Geometry(3, (4, 5))}, Geometry(3, (4, 5))),
    ],
)
def test_channels_first_shapes_keep_their_order(shape, options, geometry):
    inputs = numbered(shape)
    task = task_of(inputs, **options)
    assert task.geometry == geometry
    np.testing.assert_array_equal(task.train_inputs.ravel(), inputs.ravel())


@pytest.mark.parametrize(
    ("shape", "options", "geometry"),
    [
        ((6, 5, 7, 3), {}, Geometry(3, (5, 7))),
        ((6, 3, 3, 3), {}, Geometry(3, (3, 3))),
        ((6, 5, 7, 9), {"channels": 9}, Geometry(9, (5, 7))),
        ((6, 7, 4), {"channels": 4}, Geometry(4, (7,))),
        ((6, 7, 1), {}, Geometry(1, (7,))),
        ((6, 4, 5, 3), {"geometry": Geometry(3, (4, 5))}, Geometry(3, (4, 5))),
    ],
)
def test_channels_last_shapes_are_turned(shape, options, geometry):
    inputs = numbered(shape)
    task = task_of(inputs, channels_last=True, **options)
    assert task.geometry == geometry
    for channel in range(shape[-1]):
        np.testing.assert_array_equal(task.train_inputs[:, channel], inputs[..., channel])


@pytest.mark.parametrize(
    ("shape", "options", "readings"),
    [
        ((6, 28, 28), {}, ("grey pictures of 28 × 28 with channels=1", "with 28 channels with channels=28")),
        ((6, 32, 32, 3), {}, ("32 channels of 32 × 3", "3 channels of 32 × 32", "set channels_last=True")),
        (
            (6, 3, 32, 32),
            {"channels_last": True},
            ("3 channels of 32 × 32", "32 channels of 3 × 32", "set channels_last=False"),
        ),
        ((6, 11, 11, 200), {}, ("11 channels of 11 × 200", "200 channels of 11 × 11", "or channels=11")),
        ((6, 16, 8, 8), {}, ("16 channels of 8 × 8", "8 channels of 16 × 8", "or channels=16")),
        (
            (6, 784),
            {},
            ("geometry=Geometry(channels, (height, width))", "channels=1 for a line of 784 pixels"),
        ),
        ((6, 7, 4), {"channels_last": True}, ("grey pictures of 7 × 4", "lines of 7 pixels with 4 channels")),
    ],
)
def test_a_shape_with_two_readings_is_refused_with_both(shape, options, readings):
    with pytest.raises(InputError) as caught:
        task_of(np.zeros(shape, np.float32), **options)
    message = str(caught.value)
    assert str(shape) in message
    assert "\n" not in message
    for reading in readings:
        assert reading in message


@pytest.mark.parametrize(
    ("shape", "options", "match"),
    [
        ((6, 5, 7, 3), {"channels": 3}, r"have 5 on axis 1, .*; set channels_last=True"),
        ((6, 5, 7, 2), {"channels": 3, "channels_last": True}, "have 2 on axis 3, .*leave channels out"),
        ((6, 5, 7), {"channels": 7}, r"have 5 on axis 1, .*; set channels_last=True"),
        ((6, 5), {"channels": 5}, "say nothing about positions"),
        ((6, 2, 3, 4, 5), {}, "the most axes that are allowed"),
        (
            (6, 59),
            {"geometry": Geometry(3, (4, 5))},
            r"needs \(n, 60\), \(n, 3, 4, 5\), or \(n, 4, 5, 3\) with",
        ),
        ((6, 4, 5, 3), {"geometry": Geometry(3, (4, 5))}, "with channels_last=True"),
        ((6, 60), {"geometry": Geometry(3, (4, 5)), "channels": 1}, "with geometry, leave both out"),
        ((6, 60), {"geometry": Geometry(3, (4, 5)), "wraps": True}, "with geometry, leave both out"),
        ((6, 1, 5), {"channels": 0}, "channels is 0; it must be at least 1"),
        ((6, 1, 5), {"standardise": "pixel"}, "standardise is 'pixel'; 'channel' or 'none'"),
        ((6, 1, 0), {}, "at least one sample and one value"),
        ((6,), {}, r"float32 of shape \(6,\); a numpy array or a tensor"),
    ],
)
def test_what_does_not_fit_is_refused(shape, options, match):
    with pytest.raises(InputError, match=match) as caught:
        task_of(np.zeros(shape, np.float32), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ([[1.0, 2.0]], "inputs are a list; a numpy array or a tensor"),
        (np.zeros((6, 1, 4), complex), "complex128"),
        (np.full((6, 1, 4), "a"), "inputs are <U1"),
        (np.full((6, 1, 4), np.nan), "NaN"),
        (np.full((6, 1, 4), 1e300), "infinite"),
    ],
)
def test_values_that_are_no_finite_numbers_are_refused(inputs, match):
    with pytest.raises(InputError, match=match):
        task_of(inputs)


def test_test_inputs_have_the_shape_of_the_inputs():
    with pytest.raises(InputError, match=r"test_inputs have shape \(6, 1, 5\) and inputs \(6, 1, 4\)"):
        Task.from_arrays(np.ones((6, 1, 4)), LABELS, np.ones((6, 1, 5)), LABELS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint16, np.uint8, bool])
def test_every_number_type_is_standardised_by_channel(dtype):
    inputs = RNG.integers(0, 2 if dtype is bool else 200, (50, 2, 6)).astype(dtype)
    labels = np.arange(50) % 2
    task = Task.from_arrays(inputs, labels, inputs[:9], labels[:9], channels=2)
    seen = task.samples("train")[0].numpy().reshape(50, 2, 6)
    exact = inputs.astype(np.float64)
    expected = (exact - exact.mean(axis=(0, 2), keepdims=True)) / exact.std(axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(seen, expected.astype(np.float32), atol=3e-3 if dtype == np.float16 else 1e-5)
    assert task.train_inputs.dtype == (np.uint8 if dtype == np.uint8 else np.float32)


def test_unstandardised_values_stay_as_they_are():
    inputs = RNG.integers(0, 256, (6, 1, 4), dtype=np.uint8)
    np.testing.assert_array_equal(task_of(inputs).samples("test")[0].numpy().reshape(6, 1, 4), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_tensors_are_taken_as_arrays_are(dtype):
    inputs = torch.arange(24).reshape(6, 1, 4).to(dtype)
    if inputs.is_floating_point():
        inputs.requires_grad_()
    task = task_of(inputs, torch.as_tensor(LABELS))
    np.testing.assert_array_equal(task.train_inputs.ravel(), np.arange(24))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("standardise", ["channel", "none"])
def test_what_the_user_changes_later_does_not_change_the_task(dtype, standardise):
    inputs = RNG.integers(0, 256, (6, 1, 4)).astype(dtype)
    task = task_of(inputs, standardise=standardise)
    before = task.samples("train")[0].clone()
    inputs[:] = 7
    assert (task.samples("train")[0] == before).all()


def test_a_memory_mapped_file_is_not_read_into_memory(tmp_path):
    np.save(tmp_path / "pictures.npy", RNG.integers(0, 256, (6, 1, 4), dtype=np.uint8))
    inputs = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    task = task_of(inputs, standardise="channel")
    assert np.shares_memory(task.train_inputs, inputs)
    np.testing.assert_array_equal(task.train_inputs, inputs)


@pytest.mark.parametrize(
    ("labels", "label_map"),
    [
        ([0, 1, 0, 2, 1, 0], {"0": 0, "1": 1, "2": 2}),
        ([5, 9, 5, 9, 9, 5], {"5": 0, "9": 1}),
        ([-1, 1, -1, 1, 1, 1], {"-1": 0, "1": 1}),
        ([1.0, 2.0, 1.0, 2.0, 1.0, 1.0], {"1": 0, "2": 1}),
        ([True, False, True, False, True, True], {"0": 0, "1": 1}),
        (["dog", "cat", "cat", "dog", "dog", "cat"], {"cat": 0, "dog": 1}),
        ([b"dog", b"cat", b"cat", b"dog", b"dog", b"cat"], {"cat": 0, "dog": 1}),
        (np.array(["b", "a", "b", "a", "b", "a"], object), {"a": 0, "b": 1}),
        (np.eye(3)[[0, 2, 1, 1, 0, 2]], {"0": 0, "1": 1, "2": 2}),
        (np.eye(2, dtype=bool)[[0, 1, 1, 1, 0, 1]], {"0": 0, "1": 1}),
        (np.array([[3], [4], [3], [4], [4], [4]]), {"3": 0, "4": 1}),
    ],
)
def test_labels_are_numbered_in_sorted_order(labels, label_map):
    task = task_of(np.zeros((6, 1, 4), np.float32), labels)
    assert task.card["label_map"] == label_map
    assert task.num_classes == len(label_map)
    array = np.asarray(labels)
    back = {number: name for name, number in label_map.items()}
    for given_label, number in zip(array, task.train_labels, strict=True):
        if np.size(given_label) > 1:
            assert given_label[int(back[number])] == 1
        else:
            value = given_label.item() if hasattr(given_label, "item") else given_label
            text = value.decode() if isinstance(value, bytes) else value
            assert back[number] == (text if isinstance(text, str) else str(int(text)))


@given(
    labels=arrays.arrays(
        st.sampled_from([np.int8, np.int64, np.uint64, np.float32]),
        st.integers(2, 30),
        elements=st.integers(0, 100),
    )
)
def test_any_whole_labels_can_be_had_back(labels):
    inputs = np.zeros((len(labels), 1, 3), np.float32)
    if len(np.unique(labels)) < 2:
        with pytest.raises(InputError, match="at least 2 are needed"):
            task_of(inputs, labels)
        return
    task = task_of(inputs, labels)
    back = np.array([int(name) for name in task.card["label_map"]])
    np.testing.assert_array_equal(back[task.train_labels], labels)
    np.testing.assert_array_equal(task.test_labels, task.train_labels)
    assert list(task.card["label_map"].values()) == list(range(task.num_classes))


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), last=st.booleans(), data=st.data())
def test_any_shape_is_read_without_losing_a_value_or_refused_in_one_line(shape, last, data):
    channels = data.draw(st.sampled_from([None, 1, 2, 3]))
    inputs = numbered((2, *shape))
    refusal = None
    try:
        task = task_of(inputs, np.array([0, 1]), channels=channels, channels_last=last)
    except InputError as error:
        refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        return
    assert channels in (None, task.geometry.channels)
    assert task.geometry.num_inputs == np.prod(shape)
    assert sorted(task.train_inputs.ravel()) == list(range(inputs.size))
    if not last:
        np.testing.assert_array_equal(task.train_inputs.ravel(), inputs.ravel())


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0, 1, 0], r"labels have shape \(3,\); one for each of the 6 samples"),
        ([0.5, 1, 0, 1, 0, 1], "labels hold 0.5; class labels are whole numbers or strings"),
        ([np.nan, 1, 0, 1, 0, 1], "labels hold nan"),
        (np.full((6, 2), 0.5), "rows that are not one-hot"),
        (np.ones((6, 3), int), "rows that are not one-hot"),
        ([[0], [1, 2], [1], [1], [0], [0]], "labels are a list that makes no array"),
        (np.array([None, 1, 2, 3, 4, 5]), "labels are object; whole numbers, bool or strings"),
        (np.array([2**64 - 1, 1, 2, 3, 4, 5], np.uint64), r"up to 2\*\*63 − 1"),
        (7, r"labels have shape \(\)"),
    ],
)
def test_labels_that_name_no_class_are_refused(labels, match):
    with pytest.raises(InputError, match=match) as caught:
        task_of(np.zeros((6, 1, 4), np.float32), labels)
    assert "\n" not in str(caught.value)


def test_test_labels_occur_in_training_and_are_of_the_same_kind():
    inputs = np.zeros((6, 1, 4), np.float32)
    with pytest.raises(InputError, match=r"test_labels hold 2, 7, which the training labels do not"):
        Task.from_arrays(inputs, LABELS, inputs, [0, 1, 2, 7, 7, 1])
    with pytest.raises(InputError, match=r"labels are int64 and test_labels <U1"):
        Task.from_arrays(inputs, LABELS, inputs, list("010101"))


def test_as_many_classes_as_values_are_refused():
    inputs = np.zeros((2**16 + 1, 1, 1), np.float32)
    with pytest.raises(InputError, match="labels hold 65537 different values"):
        task_of(inputs, np.arange(2**16 + 1))


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.float64, 1e9), (np.int64, 10**12), (np.uint32, 4 * 10**9), (np.float32, 0)]
)
def test_values_far_from_0_are_standardised_before_they_lose_their_digits(dtype, offset):
    raw = np.random.default_rng(0).integers(0, 100, size=(60, 1, 4, 5))
    plain = (raw - raw.mean()) / raw.std()
    shifted = (raw + offset).astype(dtype)
    task = Task.from_arrays(shifted, np.arange(60) % 2, shifted[:6], [0, 1] * 3)
    np.testing.assert_allclose(task.train_inputs, plain, atol=1e-5)
    np.testing.assert_allclose(task.test_inputs, plain[:6], atol=1e-5)


def test_values_that_float32_would_round_away_are_not_used_as_they_are():
    raw = np.random.default_rng(0).normal(size=(60, 1, 4, 5))
    labels = np.arange(60) % 2
    with pytest.raises(InputError, match="vary by .* around 1e.09, and float32 would round them"):
        Task.from_arrays(raw + 1e9, labels, raw[:6] + 1e9, labels[:6], standardise="none")
    task = Task.from_arrays(raw + 10, labels, raw[:6] + 10, labels[:6], standardise="none")
    np.testing.assert_allclose(task.train_inputs, raw + 10, rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("standardise", ["channel", "none"])
def test_float16_is_taken_without_warnings(standardise):
    raw = np.random.default_rng(0).normal(scale=9000, size=(60, 1, 4, 5)).astype(np.float16)
    labels = np.arange(60) % 2
    task = Task.from_arrays(raw, labels, raw[:6], labels[:6], standardise=standardise)
    expected = Task.from_arrays(raw.astype(np.float32), labels, raw[:6], labels[:6], standardise=standardise)
    np.testing.assert_array_equal(task.train_inputs, expected.train_inputs)
