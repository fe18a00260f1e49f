"""The checks of what comes out on a GPU: run on a GPU where there is one, and seen to fail on the CPU."""

import dataclasses
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_checks
from benchmarks.gpu_checks import CHECKS
from sparsight.cli import main
from sparsight.recipe import Condition
from sparsight.sparse import SparseLinear
from sparsight.train import Trainer
from sparsight.train._device_batches import DeviceTask

CPU = torch.device("cpu")
NO_GPU = "there is no CUDA device: what comes out on a GPU is not tested here"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
@pytest.mark.parametrize("name", CHECKS)
def test_on_a_gpu(name):
    found = CHECKS[name](torch.device("cuda", 0))
    assert found.passed, found


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_passes_on_the_cpu(name):
    found = CHECKS[name](CPU)
    assert found.passed, found


def off(function, field, factor=1.01):
    """Return a function whose result has one field off by one per cent."""

    def wrong(*arguments, **options):
        found = function(*arguments, **options)
        return dataclasses.replace(found, **{field: getattr(found, field) * factor})

    return wrong


def spoil_batches(monkeypatch):
    monkeypatch.setattr(DeviceTask, "_standardised", lambda self, inputs: inputs.flatten(1).float())


def spoil_masked_gradients(monkeypatch):
    monkeypatch.setattr(Trainer, "_clear_outside", lambda self, masks: {})


def spoil_moments_of_the_optimizer(monkeypatch):
    whole = Trainer.restore

    def restore(self, tensors, facts):
        kept = {name: each for name, each in tensors.items() if not name.startswith("optimizer")}
        whole(self, kept, facts)

    monkeypatch.setattr(Trainer, "restore", restore)


def spoil_sparse_layer(monkeypatch):
    built = SparseLinear.from_dense
    monkeypatch.setattr(SparseLinear, "from_dense", lambda linear, mask: built(linear, mask.roll(1)))


def spoil_moments(monkeypatch):
    monkeypatch.setattr(gpu_checks, "gaussianity", off(gpu_checks.gaussianity, "excess_kurtosis"))


def spoil_locality(monkeypatch):
    whole = gpu_checks.locality
    numbers = iter((1.0, 1.01))
    monkeypatch.setattr(
        gpu_checks,
        "locality",
        lambda mask, geometry: dataclasses.replace(
            whole(mask, geometry), attained_share=whole(mask, geometry).attained_share * next(numbers)
        ),
    )


def spoil_cavity(monkeypatch):
    whole = gpu_checks.cavity
    spoiled = off(whole, "delta_kurtosis")
    monkeypatch.setattr(
        gpu_checks,
        "cavity",
        lambda *given, **options: (whole if "dtype" in options else spoiled)(*given, **options),
    )


def spoil_criterion(monkeypatch):
    settings = gpu_checks.PruningSettings
    monkeypatch.setattr(gpu_checks, "PruningSettings", lambda **given: settings(criterion="random", **given))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("batches", spoil_batches),
        ("training", spoil_masked_gradients),
        ("replicates together", spoil_masked_gradients),
        ("CUDA graph", spoil_masked_gradients),
        ("masks", spoil_criterion),
        ("resumed in the middle of a level", spoil_moments_of_the_optimizer),
        ("moments", spoil_moments),
        ("cavity", spoil_cavity),
        ("locality", spoil_locality),
        ("sparse layer", spoil_sparse_layer),
    ],
)
def test_every_check_notices_what_it_is_for(name, spoil, monkeypatch):
    spoil(monkeypatch)
    assert not CHECKS[name](CPU).passed


UNSEEN = "experimental, not yet run on a GPU"


def test_the_options_are_called_experimental_until_results_of_a_gpu_are_committed(capsys):
    root = Path(__file__).parents[1]
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    texts = [shown, Condition.__doc__, (root / "docs/howto/gpu.md").read_text(encoding="utf-8")]
    is_seen = (root / "benchmarks/RESULTS-GPU.md").exists()
    assert [UNSEEN in text for text in texts] == [not is_seen] * len(texts)
