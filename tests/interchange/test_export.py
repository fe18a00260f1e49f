import os
import sys

import numpy as np
import pytest
import torch

from sparsight import sparsify
from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.interchange import (
    InputScale,
    PrunedState,
    export_level,
    from_csr,
    from_prune_names,
    read_hub_folder,
    read_input_scale,
    read_state,
    to_csr,
    write_state,
)
from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
from sparsight.store import open_run
from tests.short_runs import PLANE, SHORT


def bars(number, channels, dtype, seed):
    """Pictures of 4 × 5 with a bright row or column, and which."""
    stream = np.random.default_rng(seed)
    labels = np.arange(number) % 2
    pictures = stream.integers(0, 120, size=(number, channels, 4, 5))
    for picture, label in zip(pictures, labels, strict=True):
        place = picture[:, 1, :] if label else picture[:, :, 2]
        place += 100
    return (pictures + (1e6 if dtype == np.float64 else 0)).astype(dtype), labels


@pytest.fixture(scope="module", params=[(1, np.uint8), (2, np.float64)], ids=["bytes", "float64"])
def pictures_run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (train, train_labels), (test, test_labels) = (bars(n, *request.param, seed=n) for n in (400, 200))
    np.savez(
        folder / "bars.npz",
        train_inputs=train, train_labels=train_labels, test_inputs=test, test_labels=test_labels,
    )  # fmt: skip
    source = f"data={{source = 'npz', path = '{folder / 'bars.npz'}'}}"
    run_recipe(load_recipe(PLANE, [*SHORT, source, "conditions={imp = {}}"]), folder / "run", jobs=1)
    return open_run(folder / "run"), test, test_labels


def accuracy(network, inputs, labels):
    with torch.no_grad():
        return float((network(inputs).argmax(dim=1).numpy() == labels).mean())


@pytest.mark.parametrize("out", ["ticket.safetensors", "ticket.pt", "ticket.pth", "hub"])
def test_an_export_holds_the_standardisation_that_its_network_needs(pictures_run, tmp_path, out):
    run, raw, labels = pictures_run
    target = "hub" if out == "hub" else "prune"
    export_level(run, condition="imp", replicate=0, target=target, out=str(tmp_path / out))
    export_level(run, condition="imp", replicate=0, target="hub", out=tmp_path / "network")
    network, _ = read_hub_folder(tmp_path / "network")
    if target == "prune":
        network.load_state_dict(from_prune_names(read_state(tmp_path / out)).state)
    expected = run.level("imp", 0, run.directory.num_levels("imp", 0) - 1).record.test_accuracy
    scale = read_input_scale(tmp_path / out)
    assert scale.shape == raw.shape[1:]
    for pictures in (raw, raw.reshape(len(raw), -1), torch.from_numpy(raw)):
        assert accuracy(network, scale(pictures), labels) == pytest.approx(expected, abs=1e-9)
    task = run.recipe.condition("imp").data.build(run.recipe.replicate_seed(0))
    torch.testing.assert_close(scale(raw), task.samples("test")[0], rtol=1e-5, atol=1e-5)


def test_inputs_that_do_not_fit_the_scale_are_refused(pictures_run, tmp_path):
    run, raw, _ = pictures_run
    path = export_level(run, condition="imp", replicate=0, out=tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"raw is .*; \(n, ., 4, 5\) or \(n, [24]0\) is needed"):
        read_input_scale(path)(raw[:, :, :3])


def test_data_without_a_standardisation_say_so(short_run, tmp_path):
    path = export_level(open_run(short_run), condition="imp", replicate=0, out=tmp_path / "a.safetensors")
    scale = read_input_scale(path)
    with pytest.raises(InputError, match="values as the data source of the task .* makes them"):
        scale(np.zeros((1, *scale.shape)))


def test_torch_opens_what_has_its_name(pictures_run, tmp_path):
    path = export_level(pictures_run[0], condition="imp", replicate=0, out=tmp_path / "ticket.pt")
    content = torch.load(path, weights_only=True)
    assert "linear_0.weight_mask" in content["state_dict"]
    state = {"weight": torch.ones(2, 3)}
    write_state(tmp_path / "plain.pt", state)
    assert torch.load(tmp_path / "plain.pt", weights_only=True).keys() == state.keys()


@pytest.mark.parametrize("name", ["ticket", "ticket.h5", "ticket.npz"])
def test_a_name_without_a_known_format_is_refused(pictures_run, tmp_path, name):
    with pytest.raises(InputError, match=r"does not say in which format .* \.safetensors, or in \.pt"):
        export_level(pictures_run[0], condition="imp", replicate=0, out=tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_formats_levels_and_strangers_are_never_overwritten(pictures_run, tmp_path, monkeypatch):
    run, *_ = pictures_run
    monkeypatch.chdir(tmp_path)
    paths = {
        target: export_level(run, condition="imp", replicate=0, target=target)
        for target in ("prune", "baked", "hub")
    }
    assert len({path.resolve() for path in paths.values()}) == 3
    before = {target: path.read_bytes() for target, path in paths.items() if target != "hub"}
    for target, other in (("prune", "baked"), ("baked", "prune")):
        with pytest.raises(InputError, match=rf"exists and holds an export as '{target}' \(condition imp, "):
            export_level(run, condition="imp", replicate=0, target=other, out=paths[target])
    with pytest.raises(InputError, match="exists and holds an export as 'prune'"):
        export_level(run, condition="imp", replicate=0, level=0, out=paths["prune"])
    (tmp_path / "mine.pt").write_bytes(b"my thesis")
    (tmp_path / "mine.safetensors").write_bytes(b"")
    for name in ("mine.pt", "mine.safetensors"):
        with pytest.raises(InputError, match="exists and holds something else; it is not replaced"):
            export_level(run, condition="imp", replicate=0, out=name)
    assert (tmp_path / "mine.pt").read_bytes() == b"my thesis"
    for target, content in before.items():  # the same export again is the same file
        assert export_level(run, condition="imp", replicate=0, target=target).read_bytes() == content


def test_the_command_line_exports_for_torch(pictures_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["export", str(pictures_run[0].path), "--format", "baked", "--out", "ticket.pt"])
    assert ended.value.code == 0
    assert "written: ticket.pt" in capsys.readouterr().out
    assert "linear_0.weight" in torch.load("ticket.pt", weights_only=True)["state_dict"]


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {"shape": [1, 2]},
        {"shape": [], "channel_mean": None, "channel_sd": None, "note": ""},
        {"shape": [1, 2], "channel_mean": [1.0, 2.0], "channel_sd": [1.0], "note": ""},
        {"shape": [1, 2], "channel_mean": [float("nan")], "channel_sd": [1.0], "note": ""},
        {"shape": "ab", "channel_mean": 3, "channel_sd": [1.0], "note": ""},
    ],
)
def test_a_scale_that_is_absent_or_damaged_is_refused(tmp_path, facts):
    path = tmp_path / "state.pt"
    write_state(path, {"weight": torch.ones(2)}, {} if facts is None else {"inputs": facts})
    with pytest.raises(InputError, match="does not say on which scale its network takes inputs"):
        read_input_scale(path)


def test_a_scale_comes_back_from_plain_values():
    scale = InputScale(shape=(2, 3), channel_mean=(0.5, 1.0), channel_sd=(1.0, 2.0), note="raw")
    assert InputScale.from_facts(scale.facts(), "here") == scale


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        write_state(tmp_path / "a.pt", {})


def test_a_file_of_kept_weights_is_small_and_holds_the_network(pictures_run, tmp_path):
    run, raw, labels = pictures_run
    last = run.directory.num_levels("imp", 0) - 1
    stored = run.level("imp", 0, last)
    path = export_level(run, condition="imp", replicate=0, target="csr", out=tmp_path / "a.safetensors")
    state = read_state(path)
    again = from_csr(state)
    assert again.masks.keys() == stored.masks.keys()
    for name, mask in stored.masks.items():
        assert torch.equal(again.masks[name], mask)
    for name, value in stored.final.items():
        assert torch.equal(again.state[name], value), name
    network = sparsify(read_hub(run, tmp_path), stored.masks)
    network.load_state_dict(state)
    assert sum(value.numel() for name, value in state.items() if name.endswith("values")) == sum(
        int(mask.sum()) for mask in stored.masks.values()
    )
    accurate = accuracy(network.eval(), read_input_scale(path)(raw), labels)
    assert accurate == pytest.approx(stored.record.test_accuracy, abs=1e-9)


def read_hub(run, folder):
    """Return the network of the first level, whose masks are others."""
    export_level(run, condition="imp", replicate=0, level=0, target="hub", out=folder / "level0")
    return read_hub_folder(folder / "level0")[0]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": torch.tensor([2**40, 2**40])},
        {"shape": torch.tensor([-1, 20])},
        {"shape": torch.tensor([16.0, 20.0])},
        {"shape": torch.tensor([16])},
        {"col_indices": torch.tensor([0, 99])},
        {"crow_indices": torch.tensor([0, 1, 2])},
    ],
)
def test_rows_that_describe_no_matrix_are_refused(change):
    mask = torch.zeros(16, 20, dtype=torch.bool)
    mask[0, 3] = mask[5, 7] = True
    state = to_csr(PrunedState({"a.weight": mask.float()}, {"a.weight": mask}))
    assert torch.equal(from_csr(state).masks["a.weight"], mask)
    with pytest.raises(InputError, match=r"a\.(shape|values)"):
        from_csr(state | {f"a.{name}": value for name, value in change.items()})


def test_an_onnx_model_takes_raw_inputs_and_classifies_them_alike(
    pictures_run, tmp_path, monkeypatch, capsys
):
    onnxruntime = pytest.importorskip("onnxruntime")
    run, raw, _ = pictures_run
    monkeypatch.chdir(tmp_path)
    command = ["export", str(run.path), "--format", "onnx", "--out", "ticket.onnx"]
    assert exit_code(command) == 0
    assert "written: ticket.onnx" in capsys.readouterr().out
    session = onnxruntime.InferenceSession("ticket.onnx")
    (logits,) = session.run(["outputs"], {"inputs": raw.astype(np.float32)})
    export_level(run, condition="imp", replicate=0, target="hub", out="hub")
    network, _ = read_hub_folder("hub")
    expected = network(read_input_scale("hub")(raw)).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    (one,) = session.run(["outputs"], {"inputs": raw[:1].astype(np.float32)})
    np.testing.assert_allclose(one, logits[:1], rtol=1e-5, atol=1e-5)
    assert exit_code(command) == 0  # the same level is replaced
    assert exit_code([*command, "--level", "0"]) == 2
    assert "holds an export as 'onnx'" in capsys.readouterr().err


def exit_code(command):
    with pytest.raises(SystemExit) as stopped:
        main(command)
    return stopped.value.code


def test_onnx_names_what_is_missing_and_refuses_other_names(pictures_run, tmp_path, monkeypatch):
    run, _, _ = pictures_run
    with pytest.raises(InputError, match=r"end its name in \.onnx"):
        export_level(run, condition="imp", replicate=0, target="onnx", out=tmp_path / "a.pt")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install 'sparsight\[onnx\]'"):
        export_level(run, condition="imp", replicate=0, target="onnx", out=tmp_path / "a.onnx")
