import json
import pickle

import numpy as np
import pytest
import torch

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.interchange import PrunedState, read_hub_folder, read_peer_level, write_hub_folder
from sparsight.network import NetworkSettings
from tests.toy import linear_task, small_network


def ancestors_level(path, *, sizes=((12, 7), (7, 5), (5, 3)), steps=(4, 9), seed=0):
    """A file as IMP.py writes it, and what its network computes, in numpy."""
    stream = np.random.default_rng(seed)
    draw = lambda *shape: stream.normal(size=shape).astype(np.float32)  # noqa: E731
    weights = [[[draw(a, b), draw(b), 1 + draw(a), draw(a)] for a, b in sizes] for _ in steps]
    averages = [[np.stack([draw(a), draw(a) ** 2 + 0.1]) for a, _ in sizes] for _ in steps]
    masks = [
        [(stream.random((a, b)) < 0.3).astype(np.float32), (stream.random(b) < 0.7).astype(np.float32)]
        for a, b in sizes
    ]
    arch = [["f", list(size), True] for size in sizes[:-1]] + [["x", list(sizes[-1]), False]]
    errors = [np.float32(0.9), np.float32(0.4)]
    content = [arch, np.array([0.3, 0.3]), list(steps), [0, 1], [0], [0.5], errors, weights, averages, masks]
    path.write_bytes(pickle.dumps(content, protocol=4))
    return content


def forward(content, index, inputs):
    """The ancestors' network on stored averages: BatchNorm on every layer's input, masks on W and b."""
    arch, weights, averages, masks = content[0], content[7][index], content[8][index], content[9]
    for depth, (weight, bias, gamma, beta) in enumerate(weights):
        mean, variance = averages[depth]
        normal = gamma * (inputs - mean) / np.sqrt(variance + 1e-10) + beta
        inputs = normal @ (weight * masks[depth][0]) + bias * masks[depth][1]
        if arch[depth][0] == "f":
            inputs = np.maximum(inputs, 0)
    return inputs


@pytest.mark.parametrize(("step", "index"), [(None, 1), (4, 0), (9, 1)])
def test_a_level_of_an_ancestor_computes_what_it_computed_there(tmp_path, step, index):
    content = ancestors_level(tmp_path / "IMP_itdata_3.pkl")
    level = read_peer_level(tmp_path / "IMP_itdata_3.pkl", step)
    inputs = np.random.default_rng(1).normal(size=(20, 12)).astype(np.float32)
    found = level.network(torch.from_numpy(inputs)).detach().numpy()
    np.testing.assert_allclose(found, forward(content, index, inputs), rtol=2e-4, atol=2e-4)
    assert level.steps == [4, 9]
    assert level.validation_error == pytest.approx(0.4)
    for depth, (mask, bias_mask) in enumerate(content[9]):
        np.testing.assert_array_equal(level.pruned.masks[f"linear_{depth}.weight"].numpy(), mask.T != 0)
        np.testing.assert_array_equal(level.pruned.masks[f"linear_{depth}.bias"].numpy(), bias_mask != 0)


class _Hostile:
    def __reduce__(self):
        return print, ("hostile",)


@pytest.mark.parametrize(
    "content", [{}, [1] * 10, [[["c", [3, 3, 1, 2, 1], True]]] + [[]] * 9, [_Hostile()] * 10]
)
def test_files_other_than_an_ancestors_level_are_refused(tmp_path, content, capsys):
    path = tmp_path / "IMP_itdata_0.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError):
        read_peer_level(path)
    assert "hostile" not in capsys.readouterr().out


def test_a_level_with_arrays_that_do_not_fit_is_refused(tmp_path):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    content[7][-1][1][0] = content[7][-1][1][0][:, :2]
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"layer 1: finite floats of shape \(7, 5\) are needed"):
        read_peer_level(path)
    ancestors_level(path)
    with pytest.raises(InputError, match="step 5 is not stored; there are 4, 9"):
        read_peer_level(path, 5)


def hub_folder(path, **settings):
    task = linear_task()
    network = small_network(task, seed=3, **settings)
    weight = network.get_parameter("linear_0.weight")
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) < 0.4
    with torch.no_grad():
        weight *= mask
        weight[mask.nonzero()[0, 0], mask.nonzero()[0, 1]] = 0  # kept, and 0
    chosen = NetworkSettings(**{"widths": (12,), **settings})
    pruned = PrunedState(network.state_dict(), {"linear_0.weight": mask})
    write_hub_folder(path, chosen, pruned, "A test.")
    return network.eval(), mask


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_a_hub_folder_gives_the_same_network_back(tmp_path, batch_norm):
    network, mask = hub_folder(tmp_path, batch_norm=batch_norm)
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    again, pruned = read_hub_folder(tmp_path)
    inputs = torch.randn(8, 24)
    assert torch.equal(again(inputs), network(inputs))
    assert torch.equal(pruned.masks["linear_0.weight"], mask)
    assert (
        f"| linear_0.weight | {int(mask.sum())} of {mask.numel()} |" in (tmp_path / "README.md").read_text()
    )


def test_a_hub_folder_that_does_not_fit_is_named(tmp_path):
    hub_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_inputs": 25}))
    with pytest.raises(InputError, match="does not fit"):
        read_hub_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(InputError, match="model_type is 'bert'"):
        read_hub_folder(tmp_path)


def test_the_command_line_imports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ancestors_level(tmp_path / "IMP_itdata_3.pkl")
    with pytest.raises(SystemExit) as ended:
        main(["import-peer", "IMP_itdata_3.pkl"])
    assert ended.value.code == 0
    assert "IMP_itdata_3.pkl: step 9 of [4, 9], density" in capsys.readouterr().out
    assert read_hub_folder(tmp_path / "IMP_itdata_3")[0].linear_0.in_features == 12
