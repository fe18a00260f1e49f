import numpy as np
import torch

from sparsight import measure_network
from sparsight.data.fields._belief import belief
from sparsight.data.fields._planted_teacher import planted_teacher
from sparsight.measure import auroc, support_recovery
from tests.toy import linear_task, small_network

TASK = planted_teacher(size=(24,), num_train=200, num_test=100, seed=0)


def test_the_first_mask_is_compared_with_the_supports_on_the_card():
    network = small_network(TASK, widths=(12,))
    mask = torch.rand(12, 24) < 0.2
    with torch.no_grad():
        network.get_parameter("linear_0.weight").mul_(mask)
    found = measure_network(network, TASK, masks={"linear_0.weight": mask}, instruments=["recovery"])
    support = np.zeros((3, 24), dtype=bool)
    for row, inputs in zip(support, TASK.card["support"], strict=True):
        row[inputs] = True
    expected = support_recovery(mask.numpy(), support, seed=0)
    assert float(found["network"]["recovery.precision"]) == expected.precision
    assert float(found["network"]["recovery.recall_expected"]) == expected.recall_expected


def test_tasks_without_planted_units_have_nothing_to_recover():
    found = measure_network(small_network(linear_task()), linear_task(), instruments=["recovery"])
    assert not found.get("network", {})


def test_kinds_of_inputs_on_the_card_are_measured_one_by_one():
    task = belief(size=(24,), num_train=200, num_test=100, seed=0)
    network = small_network(task, widths=(12,))
    mask = torch.rand(12, 24, generator=torch.Generator().manual_seed(0)) < 0.2
    found = measure_network(network, task, masks={"linear_0.weight": mask}, instruments=["recovery"])
    counts = mask.sum(dim=0).numpy().astype(float)
    others = np.delete(counts, task.card["support"][0])
    for kind, inputs in task.card["support_kinds"].items():
        expected = auroc(counts[inputs], others)
        assert float(found["network"][f"recovery.input_auroc_of_{kind}"]) == expected
    # A teacher has units of one kind.
    assert not [name for name in measured_names() if "auroc_of" in name]


def measured_names():
    mask = torch.ones(12, 24, dtype=torch.bool)
    network = small_network(TASK, widths=(12,))
    return measure_network(network, TASK, masks={"linear_0.weight": mask}, instruments=["recovery"])[
        "network"
    ]
