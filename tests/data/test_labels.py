import numpy as np
import pytest
from scipy.stats import chi2_contingency

from sparsight.data import nlgp, with_label_noise, with_merged_classes
from sparsight.errors import InputError
from sparsight.recipe import DataSettings
from tests.toy import linear_task


def _many_classes(**options):
    return nlgp(
        size=(32,),
        correlation_lengths=(0.5, 1.0, 1.5, 2.0, 2.5),
        num_train=1000,
        num_test=500,
        seed=0,
        **options,
    )


def test_label_noise_changes_the_expected_share_and_no_input():
    task = linear_task(num_train=20_000)
    noisy = with_label_noise(task, 0.4, seed=1)
    changed = np.mean(noisy.train_labels != task.train_labels)
    assert abs(changed - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 20_000)  # half of those drawn anew come out the same
    assert noisy.train_inputs is task.train_inputs
    assert np.mean(noisy.test_labels != task.test_labels) > 0


def test_no_label_noise_is_the_task_itself():
    task = linear_task()
    assert with_label_noise(task, 0.0, seed=1) is task


def test_label_noise_is_a_function_of_the_seed():
    task = linear_task()
    labels = [with_label_noise(task, 1.0, seed).train_labels for seed in (1, 1, 2)]
    assert (labels[0] == labels[1]).all()
    assert (labels[0] != labels[2]).any()


@pytest.mark.parametrize(("share", "says_something"), [(1.0, False), (0.9, True)])
def test_label_noise_of_1_leaves_no_task(share, says_something):
    """Given and true labels are independent, in both splits; planted: a tenth of true labels shows."""
    task = linear_task(num_train=5000, num_test=5000)
    noisy = with_label_noise(task, share, seed=1)
    for split in ("train", "test"):
        true, given = getattr(task, f"{split}_labels"), getattr(noisy, f"{split}_labels")
        table = np.zeros((2, 2))
        np.add.at(table, (true, given), 1)
        assert (chi2_contingency(table).pvalue < 0.01) == says_something


def test_merged_classes_are_neighbours():
    task = _many_classes()
    merged = with_merged_classes(task, 2)
    assert merged.num_classes == 2
    of = {int(a): int(b) for a, b in zip(task.train_labels, merged.train_labels, strict=True)}
    assert of == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1}


def test_clones_are_made_with_the_true_labels():
    plain = DataSettings.model_validate({"source": "plane", "clone": "gaussian", "num_train": 300}).build(3)
    noisy = DataSettings.model_validate(
        {"source": "plane", "clone": "gaussian", "num_train": 300, "label_noise": 0.5}
    ).build(3)
    assert (plain.train_inputs == noisy.train_inputs).all()
    assert (plain.train_labels != noisy.train_labels).any()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: with_label_noise(linear_task(), 1.5, 0), "label_noise is 1.5"),
        (lambda: with_merged_classes(linear_task(), 3), "merged_classes is 3"),
        (
            lambda: with_label_noise(
                nlgp(
                    size=(32,), correlation_lengths=(1.0, 2.0), num_train=10, num_test=10, online=True, seed=0
                ),
                0.5,
                0,
            ),
            "data.label_noise needs a fixed training set",
        ),
    ],
)
def test_wrong_arguments_are_named(call, match):
    with pytest.raises(InputError, match=match):
        call()
