import numpy as np
import torch

from sparsight import measure_network
from sparsight.data.fields._planted_teacher import planted_teacher
from sparsight.measure import support_recovery
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
