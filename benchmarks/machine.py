"""The machine of a benchmark: processor, cores, load, and the versions of the libraries."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("sparsight", "numpy", "scipy", "torch", "numba")


def machine() -> list[str]:
    """Return lines that describe this machine and its load."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"Processor: {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()}.",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + f"; matrix products: {'MKL' if torch.backends.mkl.is_available() else 'no MKL'}.",
    ]


def processor() -> str:
    """Return the name of the processor and its widest vector instructions."""
    return f"{_processor_name()} ({_vectors()})"


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _vectors() -> str:
    """Return the widest vector instructions of the processor, which decide the speed of dense products."""
    capability = torch.backends.cpu.get_cpu_capability()
    return {"AVX512": "AVX-512", "AVX2": "AVX2"}.get(capability, capability)
