import json
import os
import pickle
import re
import stat
import tracemalloc

import numpy as np
import pytest
import torch

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.interchange import (
    InputScale,
    PrunedState,
    read_hub_folder,
    read_peer_level,
    read_state,
    write_hub_folder,
)
from sparsight.network import NetworkSettings
from tests.toy import linear_task, small_network

ERRORS = {0: 0.9, 3: 0.7, 4: 0.6, 9: 0.4}
"""Validation errors by the step at which they were measured."""


def ancestors_level(
    path, *, sizes=((12, 7), (7, 5), (5, 3)), steps=(4, 9), seed=0, errors=ERRORS, shared=False
):
    """A file as IMP.py writes it, and what its network computes, in numpy.

    With `shared`, all steps hold the same list of BatchNorm statistics, as the ancestors' code leaves it.
    """
    stream = np.random.default_rng(seed)
    draw = lambda *shape: stream.normal(size=shape).astype(np.float32)  # noqa: E731
    weights = [[[draw(a, b), draw(b), 1 + draw(a), draw(a)] for a, b in sizes] for _ in steps]
    averages = [[np.stack([draw(a), draw(a) ** 2 + 0.1]) for a, _ in sizes] for _ in steps]
    if shared:
        averages = [averages[-1]] * len(steps)
    masks = [
        [(stream.random((a, b)) < 0.3).astype(np.float32), (stream.random(b) < 0.7).astype(np.float32)]
        for a, b in sizes
    ]
    arch = [["f", list(size), True] for size in sizes[:-1]] + [["x", list(sizes[-1]), False]]
    trained = list(range(steps[-1] + 1))
    measured, found = list(errors), [np.float32(error) for error in errors.values()]
    content = [
        arch, np.array([0.3, 0.3]), list(steps), trained, measured, [0.5] * len(trained), found,
        weights, averages, masks,
    ]  # fmt: skip
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
    assert level.validation_error == pytest.approx(ERRORS[step or 9])
    assert level.statistics_are_of_step
    for depth, (mask, bias_mask) in enumerate(content[9]):
        np.testing.assert_array_equal(level.pruned.masks[f"linear_{depth}.weight"].numpy(), mask.T != 0)
        np.testing.assert_array_equal(level.pruned.masks[f"linear_{depth}.bias"].numpy(), bias_mask != 0)


@pytest.mark.parametrize("hidden", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_what_a_mask_hides_is_pruned_whatever_it_is(tmp_path, kind, hidden):
    path = tmp_path / "IMP_itdata_3.pkl"
    content = ancestors_level(path)
    expected = read_peer_level(path)
    place = ("weight", "bias").index(kind)
    for by_layer in content[7]:
        for depth, layer in enumerate(by_layer):
            layer[place][content[9][depth][place] == 0] = hidden
    path.write_bytes(pickle.dumps(content, protocol=4))
    found = read_peer_level(path)
    for of_one, of_other in (
        (found.pruned.state, expected.pruned.state),
        (found.pruned.masks, expected.pruned.masks),
        (found.network.state_dict(), expected.network.state_dict()),
    ):
        assert of_one.keys() == of_other.keys()
        assert all(torch.equal(of_one[name], of_other[name]) for name in of_one)


@pytest.mark.parametrize("place", range(4), ids=["weight", "bias", "scale", "shift"])
def test_a_value_that_is_used_must_be_finite(tmp_path, place):
    path = tmp_path / "IMP_itdata_3.pkl"
    content = ancestors_level(path)
    layer = content[7][-1][1]
    used = content[9][1][place] != 0 if place < 2 else np.ones(layer[place].shape, bool)
    layer[place][np.unravel_index(np.argmax(used), used.shape)] = np.nan
    path.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match="layer 1: finite floats of shape"):
        read_peer_level(path)


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


@pytest.mark.parametrize("step", [None, 4, 9])
def test_an_error_that_was_not_measured_at_the_step_is_not_made_up(tmp_path, step):
    ancestors_level(tmp_path / "IMP_itdata_3.pkl", errors={0: 0.9, 8: 0.4})
    assert read_peer_level(tmp_path / "IMP_itdata_3.pkl", step).validation_error is None


@pytest.mark.parametrize("how", ["the same list", "equal values"])
def test_statistics_that_all_steps_share_belong_to_the_last(tmp_path, how):
    path = tmp_path / "IMP_itdata_3.pkl"
    content = ancestors_level(path, shared=True)
    if how == "equal values":
        content[8] = [[layer.copy() for layer in each] for each in content[8]]
        path.write_bytes(pickle.dumps(content, protocol=4))
    assert not read_peer_level(path, 4).statistics_are_of_step
    assert read_peer_level(path, 9).statistics_are_of_step


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (lambda pixels: 255 * pixels, "bytes from 0 to 255"),
        (lambda pixels: pixels, "pixels from 0 to 1"),
        (lambda pixels: pixels - pixels.mean(axis=0), "pixels from 0 to 1 with the mean subtracted"),
        (lambda pixels: (pixels - pixels.mean()) / pixels.std(), r"standardised values \(mean 0, sd 1\)"),
        (lambda pixels: 255 * (pixels - pixels.mean()), "values with the mean subtracted, as bytes"),
        (lambda pixels: 1e4 * pixels + 7, "no usual scale of pictures"),
    ],
)
def test_the_first_batch_norm_tells_which_scale_of_inputs_fits(tmp_path, raw, words):
    path = tmp_path / "IMP_itdata_3.pkl"
    content = ancestors_level(path)
    pixels = raw(np.random.default_rng(0).beta(0.4, 0.8, size=(2000, 12)))
    content[8][-1][0] = np.stack([pixels.mean(axis=0), pixels.var(axis=0)]).astype(np.float32)
    path.write_bytes(pickle.dumps(content, protocol=4))
    level = read_peer_level(path)
    with pytest.raises(InputError, match=rf"no standardisation is known .* fits {words}"):
        level.inputs(pixels)


def hub_folder(path, inputs=None, **settings):
    task = linear_task()
    network = small_network(task, seed=3, **settings)
    weight = network.get_parameter("linear_0.weight")
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) < 0.4
    with torch.no_grad():
        weight *= mask
        weight[mask.nonzero()[0, 0], mask.nonzero()[0, 1]] = 0  # kept, and 0
    chosen = NetworkSettings(**{"widths": (12,), **settings})
    pruned = PrunedState(network.state_dict(), {"linear_0.weight": mask})
    write_hub_folder(path, chosen, pruned, "A test.", inputs)
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
    said = capsys.readouterr().out
    assert "IMP_itdata_3.pkl: step 9 of [4, 9], density" in said
    assert "the file does not say on which scale it takes inputs" in said
    assert "BatchNorm statistics" not in said
    assert read_hub_folder(tmp_path / "IMP_itdata_3")[0].linear_0.in_features == 12


def test_the_command_line_says_what_the_file_does_not_hold_for_a_step(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ancestors_level(tmp_path / "IMP_itdata_3.pkl", shared=True, errors={0: 0.9, 4: 0.6})
    for step, words in ((4, ["validation error 0.6000", "statistics are those of the last step, 9"]),
                        (9, ["no validation error was measured at step 9"])):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(["import-peer", "IMP_itdata_3.pkl", "--step", str(step)])
        assert ended.value.code == 0
        said, card = capsys.readouterr().out, (tmp_path / "IMP_itdata_3" / "README.md").read_text()
        for each in words:
            assert each in said
            assert each in card
        assert "Scale: input means" in card


@pytest.mark.parametrize("channels", [None, 2])
def test_the_snippet_of_the_card_runs(tmp_path, monkeypatch, channels):
    scale = channels and InputScale(
        shape=(channels, 12), channel_mean=(1.0, 3.0), channel_sd=(2.0, 4.0), note="raw values"
    )
    hub_folder(tmp_path / "hub", inputs=scale)
    card = (tmp_path / "hub" / "README.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path / "hub")
    names = {}
    exec(snippet, names)
    assert names["scores"].shape == (1, names["network"].linear_1.out_features)
    if channels:
        assert "Subtract the mean of each channel (1, 3) and divide by its sd (2, 4)" in card
        expected = torch.tensor([-0.5, -0.75]).repeat_interleave(12)[None]
        assert torch.equal(names["scores"], names["network"](expected))


def test_what_was_written_is_read_by_a_path_as_text(tmp_path):
    network, _ = hub_folder(str(tmp_path / "hub"))
    again, _ = read_hub_folder(str(tmp_path / "hub"))
    inputs = torch.randn(8, 24)
    assert torch.equal(again(inputs), network(inputs))
    ancestors_level(tmp_path / "IMP_itdata_3.pkl")
    assert read_peer_level(str(tmp_path / "IMP_itdata_3.pkl")).step == 9


def shared(depth, leaf):
    """Lists of two, nested: both entries are the same list, so that 2^depth leaves take 3 bytes a level."""
    for _ in range(depth):
        leaf = [leaf, leaf]
    return leaf


BOMBS = {
    "weights": (7, lambda content, bomb: content[7][-1][0].__setitem__(0, bomb)),
    "bias": (7, lambda content, bomb: content[7][-1][0].__setitem__(1, bomb)),
    "statistics": (8, lambda content, bomb: content[8][-1].__setitem__(0, bomb)),
    "masks": (9, lambda content, bomb: content[9][0].__setitem__(0, bomb)),
    "kind of a layer": (0, lambda content, bomb: content[0][0].__setitem__(0, bomb)),
    "size of a layer": (0, lambda content, bomb: content[0][0].__setitem__(1, bomb)),
    "steps": (2, lambda content, bomb: content.__setitem__(2, bomb)),
    "errors": (6, lambda content, bomb: content.__setitem__(6, bomb)),
    "every error": (6, lambda content, bomb: content.__setitem__(6, [bomb] * len(content[4]))),
    "validated steps": (4, lambda content, bomb: content.__setitem__(4, bomb)),
    "all": (0, lambda content, bomb: content.__setitem__(slice(None), [bomb] * 10)),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("leaf", [1.0, "f", [], np.float32(1)])
def test_nested_shared_lists_are_refused_before_they_are_unfolded(tmp_path, name, leaf):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    BOMBS[name][1](content, shared(60, leaf))
    path.write_bytes(pickle.dumps(content, protocol=4))
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_peer_level(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1000
    assert peak < 20 * 2**20


@pytest.mark.parametrize("step", [4, 9])
@pytest.mark.parametrize(("steps", "errors"), [([0, 4, 9], 2), ([0, 4], 3), ([], 1), ([4, 9], 0)])
def test_errors_that_do_not_belong_to_the_validated_steps_are_refused(tmp_path, step, steps, errors):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    content[4], content[6] = steps, [0.5] * errors
    path.write_bytes(pickle.dumps(content, protocol=4))
    message = rf"IMP_itdata_0\.pkl is not .*{len(steps)} validated steps have {errors} validation errors"
    with pytest.raises(InputError, match=message):
        read_peer_level(path, step)


def test_statistics_of_another_step_are_counted_before_they_are_compared(tmp_path):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    content[8][-1] = [shared(60, 1.0)] * len(content[0])
    path.write_bytes(pickle.dumps(content, protocol=4))
    tracemalloc.start()
    try:
        assert read_peer_level(path, int(content[2][0])).statistics_are_of_step
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20


def test_wide_shared_lists_are_counted_as_well(tmp_path):
    """Ten thousand times one row of ten thousand: 400 MB out of 60 kB."""
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path, sizes=((12, 7), (7, 3)))
    row = [1.0] * 10_000
    content[0][0][1] = content[0][1][1] = [10_000, 10_000]
    content[7][-1][0][0] = [row] * 10_000
    path.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=r"declares \d+ weights and has \d+ bytes"):
        read_peer_level(path)


def test_lists_in_place_of_arrays_are_read(tmp_path):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    expected = read_peer_level(path)
    content[7][-1][0] = [each.astype(float).tolist() for each in content[7][-1][0]]
    content[8][-1][1] = list(content[8][-1][1])
    path.write_bytes(pickle.dumps(content, protocol=4))
    found = read_peer_level(path)
    for name, value in expected.pruned.state.items():
        assert torch.equal(found.pruned.state[name], value)


@pytest.mark.parametrize(
    "sizes", [((12, 7), (8, 3)), (), ((0, 7), (7, 3)), ((12, -7), (-7, 3)), ((2.0**70, 3),)]
)
def test_layers_that_do_not_follow_each_other_are_refused(tmp_path, sizes):
    path = tmp_path / "IMP_itdata_0.pkl"
    content = ancestors_level(path)
    content[0] = [["f", list(size), True] for size in sizes]
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"IMP_itdata_0\.pkl"):
        read_peer_level(path)


def test_one_layer_is_a_network(tmp_path):
    content = ancestors_level(tmp_path / "IMP_itdata_0.pkl", sizes=((12, 3),))
    level = read_peer_level(tmp_path / "IMP_itdata_0.pkl")
    inputs = np.random.default_rng(1).normal(size=(20, 12)).astype(np.float32)
    found = level.network(torch.from_numpy(inputs)).detach().numpy()
    np.testing.assert_allclose(found, forward(content, 1, inputs), rtol=2e-4, atol=2e-4)
    write_hub_folder(tmp_path / "hub", level.settings, level.pruned, "A test.")
    assert torch.equal(
        read_hub_folder(tmp_path / "hub")[0](torch.from_numpy(inputs)),
        level.network(torch.from_numpy(inputs)),
    )


def imported(monkeypatch, folder, *arguments):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        main(["import-peer", *map(str, arguments)])
    return ended.value.code


@pytest.mark.parametrize("name", ["...pkl", "..pkl", ".pkl", "level", "-a.pkl", ".hidden.pkl"])
def test_a_name_that_gives_no_new_folder_is_refused(tmp_path, monkeypatch, capsys, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "README.md").write_text("mine")
    (inner / "README.md").write_text("mine")
    ancestors_level(inner / name)
    before = sorted(tmp_path.rglob("*"))
    assert imported(monkeypatch, inner, f"./{name}") == 2
    assert "name one with --out" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert imported(monkeypatch, inner, f"./{name}", "--out", "new") == 0
    assert (inner / "new" / "config.json").exists()


@pytest.mark.parametrize("file", ["README.md", "config.json", "model.safetensors"])
def test_a_folder_with_files_of_others_is_not_overwritten(tmp_path, monkeypatch, capsys, file):
    ancestors_level(tmp_path / "level.pkl")
    (tmp_path / "level").mkdir()
    (tmp_path / "level" / file).write_text("mine")
    assert imported(monkeypatch, tmp_path, "level.pkl") == 2
    assert f"level holds {file}" in capsys.readouterr().err
    assert (tmp_path / "level" / file).read_text() == "mine"
    assert [path.name for path in (tmp_path / "level").iterdir()] == [file]
    (tmp_path / "level" / file).unlink()
    assert imported(monkeypatch, tmp_path, "level.pkl") == 0
    assert imported(monkeypatch, tmp_path, "level.pkl") == 0  # its own folder is written again


@pytest.mark.parametrize(
    "change",
    [{"num_inputs": 10**12}, {"num_classes": 10**12}, {"num_inputs": float("inf")}, {"num_inputs": "x"}],
)
def test_a_config_that_asks_for_all_memory_is_refused_before_a_network_is_built(tmp_path, change):
    hub_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=r"does not fit|is missing or damaged"):
        read_hub_folder(tmp_path)
    config["network"]["widths"] = [10**9]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="does not fit"):
        read_hub_folder(tmp_path)
    (tmp_path / "config.json").write_text("[" * 10**5)
    with pytest.raises(InputError, match="is missing or damaged"):
        read_hub_folder(tmp_path)


STATES = {
    "stride 0": {"a": torch.zeros(1).expand(10**12)},
    "overlapping": {"a": torch.zeros(100).as_strided((90, 90), (1, 0))},
    "one storage, many names": dict.fromkeys(map(str, range(50)), torch.zeros(1000)),
    "sparse": {"a": torch.zeros(3, 3).to_sparse()},
}


@pytest.mark.parametrize("name", STATES)
def test_states_with_more_numbers_than_bytes_are_refused(tmp_path, name):
    torch.save(STATES[name], tmp_path / "a.pt")
    with pytest.raises(InputError, match="not an ordinary tensor|would unpack to"):
        read_state(tmp_path / "a.pt")


def test_shared_and_transposed_weights_are_read(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"encoder": weight, "decoder": weight, "turned": weight.T}, tmp_path / "a.pt")
    assert torch.equal(read_state(tmp_path / "a.pt")["turned"], weight.T)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_exported_files_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        hub_folder(tmp_path / "hub")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "hub").iterdir()}
    assert modes == {0o666 & ~mask}
