"""Named streams of random numbers: every draw is a function of a seed and a name.

Why: docs/decisions.md, "Random numbers come from named streams".
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def generator(seed: int, *name: str | int) -> np.random.Generator:
    """Return the random generator of one named stream.

    Two streams whose names differ in any part are statistically independent. A stream does not depend on
    which other streams were opened or how far they were read, so the batch of step 812 or the mask of level
    7 can be drawn again without anything before it.

    Parameters
    ----------
    seed : int
        Any integer, also a negative one.
    *name : str or int
        Purpose of the numbers, for example ``("batches", epoch)``. ``1`` and ``"1"`` differ.

    Returns
    -------
    numpy.random.Generator
        A fresh PCG64 generator, seeded with 256 bits of SHA-256 over the seed and the name.

    Examples
    --------
    >>> a, b = generator(0, "batches", 3), generator(0, "batches", 3)
    >>> bool((a.integers(0, 100, 5) == b.integers(0, 100, 5)).all())
    True
    """
    digest = hashlib.sha256(repr((int(seed), *name)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32).tolist())


def derived_seed(seed: int, *name: str | int) -> int:
    """Return a 63-bit seed for a named purpose, for code that takes a seed instead of a generator."""
    digest = hashlib.sha256(repr((int(seed), *name)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1  # 63 bits fit any signed 64-bit integer


def streams_digest() -> str:
    """Return a SHA-256 that changes if the installed numpy or torch draw other numbers from the same seed.

    Real numbers are rounded to two digits, since the last ones depend on the processor.
    """
    import torch  # here: it takes two seconds, and everything else does without it

    stream, torch_stream = generator(0, "streams digest"), torch.Generator().manual_seed(0)
    reals = [stream.random(8), stream.normal(size=8), stream.standard_exponential(8)]
    reals += [torch.rand(32, generator=torch_stream).numpy(), torch.randn(32, generator=torch_stream).numpy()]
    drawn = [stream.integers(1000, size=8).tolist(), stream.permutation(32).tolist()]
    drawn += [torch.randperm(32, generator=torch_stream).tolist()]
    drawn += [np.rint(100 * each).astype(int).tolist() for each in reals]
    return hashlib.sha256(repr(drawn).encode()).hexdigest()


@contextmanager
def torch_draws(device: "torch.device", seed: int, *name: str | int) -> Iterator[None]:
    """Make what modules draw from torch's global generators inside the block a function of seed and name.

    Dropout has no generator of its own. Afterwards the global generators are as if nothing had been drawn.

    Parameters
    ----------
    device : torch.device
        Where the modules are. The generator of the CPU is set as well.
    seed, *name
        As for `generator`.
    """
    import torch  # it takes two seconds, and arrays do without it

    is_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if is_cuda else []):
        # Not torch.manual_seed: that sets the generators of all devices, and only those named are put back.
        torch.default_generator.manual_seed(derived_seed(seed, *name))
        if is_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(derived_seed(seed, *name))
        yield
