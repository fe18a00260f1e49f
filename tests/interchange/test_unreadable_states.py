import argparse
import collections
import pickle
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sparsight.errors import InputError
from sparsight.interchange import read_state


class _Settings:
    """Stands for a class of the project that wrote the file."""


def scripted(path):
    with warnings.catch_warnings(action="ignore"):  # torch deprecates what old files are made with
        torch.jit.script(nn.Linear(3, 2)).save(path)


def write_npz(path):
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros(3))


def halved(path):
    torch.save(nn.Linear(3, 2).state_dict(), path)
    path.write_bytes(path.read_bytes()[:300])


def saved(content, **options):
    return lambda path: torch.save(content, path, **options)


OLD = {"_use_new_zipfile_serialization": False}
REFUSED = {
    "module": (saved(nn.Linear(3, 2)), r"whole Python objects \(torch.nn.modules.linear.Linear\)"),
    "module, before 1.6": (saved(nn.Linear(3, 2), **OLD), r"objects \(torch.nn.modules.linear.Linear\)"),
    "own class": (saved({"state_dict": {}, "settings": _Settings()}), r"objects \(.*_Settings\)"),
    "arguments": (saved({"args": argparse.Namespace(a=1)}), r"objects \(argparse.Namespace\)"),
    "numbers of numpy": (saved({"accuracy": np.float64(0.5)}), r"numbers of numpy .*float\(number\)"),
    "TorchScript": (scripted, r"TorchScript program; .*torch.jit.load\(path\).state_dict\(\)"),
    "npz": (write_npz, "archive of another kind"),
    "truncated": (halved, "truncated or damaged; get it again"),
    "pickle of arrays": (lambda path: path.write_bytes(pickle.dumps({"w": np.zeros(3)}, 4)), "torch did not"),
    "pickle of objects": (
        lambda path: path.write_bytes(pickle.dumps([_Settings(), _Settings()], 4)),
        r"objects \(.*_Settings\)",
    ),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "JSON": (lambda path: path.write_text('{"weight": [1]}'), "it is text, such as JSON"),
    "Keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5 file, as Keras writes"),
    "Git LFS": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "git lfs pull",
    ),
    "noise": (lambda path: path.write_bytes(bytes(range(255, 0, -1))), "damaged, or no file of torch.save"),
    "nothing": (lambda path: None, "No such file or directory; check its name"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("write", "message"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_what_the_file_is_and_what_to_do(tmp_path, write, message):
    write(tmp_path / "file.pt")
    with pytest.raises(InputError, match=rf"file.pt cannot be read as a state dict: .*{message}") as caught:
        read_state(tmp_path / "file.pt")
    said = str(caught.value)
    assert said.isprintable()  # torch's own words have control codes and line breaks
    assert "weights_only" not in said
    assert said.count("\n") == 0


def test_names_in_a_file_are_shown_escaped_and_short(tmp_path):
    hostile = b"\x80\x02cmodule\n\x1b[31m" + b"x" * 1000 + b"\n)\x81."
    (tmp_path / "file.pt").write_bytes(hostile)
    with pytest.raises(InputError, match="whole Python objects") as caught:
        read_state(tmp_path / "file.pt")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["state.pt", "state.safetensors", "state", "state.bin"])
def test_the_content_and_not_the_name_says_what_a_file_is(tmp_path, name):
    state = nn.Linear(3, 2).state_dict()
    for write in (torch.save, save_file, lambda state, path: torch.save(state, path, **OLD)):
        write(state, tmp_path / name)
        read = read_state(str(tmp_path / name))
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], value) for key, value in state.items())


def test_ordered_states_are_read(tmp_path):
    torch.save(collections.OrderedDict(nn.Linear(3, 2).state_dict()), tmp_path / "state.pt", **OLD)
    assert read_state(tmp_path / "state.pt").keys() == {"weight", "bias"}
