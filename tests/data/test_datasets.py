import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from sparsight.data import Task
from sparsight.errors import InputError

INPUTS = torch.arange(60.0).reshape(20, 1, 3)
LABELS = torch.arange(20) % 4
PAIRS = TensorDataset(INPUTS, LABELS)


class Endless(Dataset):
    """Without an IndexError at its end, as many datasets are."""

    def __init__(self, item):
        self.item = item

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return self.item(index)


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(INPUTS, LABELS, strict=True)


SOURCES = {
    "dataset": PAIRS,
    "without an end": Endless(lambda index: (INPUTS[index].numpy(), int(LABELS[index]))),
    "stream": Stream(),
    "list": list(zip(INPUTS, LABELS, strict=True)),
    "loader": DataLoader(PAIRS, batch_size=6),
    "loader of a stream": DataLoader(Stream(), batch_size=6),
    "loader that shuffles": DataLoader(PAIRS, batch_size=6, shuffle=True),
    "loader that drops": DataLoader(PAIRS, batch_size=6, shuffle=True, drop_last=True),
    "loader without batches": DataLoader(PAIRS, batch_size=None),
}


def task_of(train, test=PAIRS, **options):
    return Task.from_dataset(train, test, **{"standardise": "none", **options})


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_gives_all_samples_in_order(name):
    task = task_of(SOURCES[name])
    np.testing.assert_array_equal(task.train_inputs, INPUTS.numpy())
    np.testing.assert_array_equal(task.train_labels, LABELS.numpy())
    np.testing.assert_array_equal(task.test_inputs, INPUTS.numpy())


def test_a_loader_that_chooses_samples_keeps_its_choice():
    loader = DataLoader(PAIRS, batch_size=4, sampler=[3, 1, 2, 5])
    np.testing.assert_array_equal(task_of(loader, loader).train_inputs, INPUTS[[3, 1, 2, 5]].numpy())
    subset = Subset(PAIRS, [7, 2, 4])
    np.testing.assert_array_equal(task_of(subset, subset).train_inputs, INPUTS[[7, 2, 4]].numpy())
    batches = DataLoader(PAIRS, batch_sampler=[[0, 1], [5]])
    np.testing.assert_array_equal(task_of(batches, batches).train_inputs, INPUTS[[0, 1, 5]].numpy())


def test_a_collating_function_is_used():
    def doubled(items):
        return torch.stack([2 * value for value, _ in items]), torch.stack([label for _, label in items])

    loader = DataLoader(PAIRS, batch_size=7, shuffle=True, collate_fn=doubled)
    np.testing.assert_array_equal(task_of(loader).train_inputs, 2 * INPUTS.numpy())


def test_every_item_is_read_once():
    read = []
    source = Endless(lambda index: (read.append(index), (INPUTS[index], LABELS[index]))[1])
    task_of(source)
    assert read == list(range(20))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_pillow_images_need_no_word_about_channels(mode, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 5, 7, 3), dtype=np.uint8)
    pictures = [Image.fromarray(each).convert(mode) for each in pixels]
    source = Endless(lambda index: (pictures[index], "even" if index % 2 == 0 else "odd"))
    task = task_of(source, source, standardise="channel")
    assert task.geometry.shape == (channels, 5, 7)
    assert task.train_inputs.dtype == np.uint8
    expected = np.asarray(pictures[3]).reshape(5, 7, channels)
    np.testing.assert_array_equal(np.moveaxis(task.train_inputs[3], 0, -1), expected)
    assert task.card["label_map"] == {"even": 0, "odd": 1}


def test_a_picture_with_a_palette_gives_its_colours():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 9, 8, 7])
    source = Endless(lambda index: (picture, index % 2))
    assert task_of(source, source).train_inputs[0, :, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (Endless(lambda index: INPUTS[index]), r"item 0 of train is float32 of shape \(1, 3\); pairs"),
        (Endless(lambda index: (INPUTS[index], 1, 2)), "item 0 of train is a tuple of 3; pairs"),
        (Endless(lambda index: {"x": 1}), "item 0 of train is a dict; pairs"),
        (
            Endless(lambda index: (torch.ones(1, 3 + index), 0)),
            r"\(1, 3\) first and \(1, 4\) in item 1; resize",
        ),
        (Endless(lambda index: (object(), 0)), "item 0 of train holds a object; tensors, arrays"),
        ([], "train yields no item"),
        (7, "train is a int; a torch Dataset or DataLoader is needed"),
        (Endless(lambda index: (INPUTS[index], torch.zeros(1 + index))), "items of train cannot be stacked"),
    ],
)
def test_what_is_not_pairs_of_one_shape_is_refused(source, match):
    with pytest.raises(InputError, match=match) as caught:
        task_of(source)
    assert "\n" not in str(caught.value)


def test_an_ambiguous_shape_is_refused_as_for_arrays():
    source = TensorDataset(torch.rand(20, 28, 28), LABELS)
    with pytest.raises(InputError, match="grey pictures of 28 × 28 with channels=1"):
        task_of(source, source)
    assert task_of(source, source, channels=1).geometry.shape == (1, 28, 28)
