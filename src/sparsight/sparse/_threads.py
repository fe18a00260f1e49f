"""Threads for the compiled products, which release Python's global lock while they run."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch


def in_parallel(kernel: Callable[..., Any], shares: Sequence[tuple[int, int]], *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` for every share, the first one in this thread."""
    futures: list[Future[Any]] = []
    if len(shares) > 1:
        pool = _pool(len(shares) - 1)
        futures = [pool.submit(kernel, first, last, *arguments) for first, last in shares[1:]]
    kernel(*shares[0], *arguments)
    for future in futures:
        future.result()


def even_shares(number: int) -> list[tuple[int, int]]:
    """Cut ``0 … number − 1`` into as many consecutive ranges as there are threads, or fewer."""
    num_shares = max(1, min(num_threads(), number))
    cuts = [number * share // num_shares for share in range(num_shares + 1)]
    return list(itertools.pairwise(cuts))


def num_threads() -> int:
    """Return the number of threads for a product: as many as torch has, or had before they were taken."""
    return _given.number or torch.get_num_threads()


@contextmanager
def threads_taken_from_torch() -> Iterator[None]:
    """Restrict torch to one thread inside the block, and give the products as many as torch had.

    Use it where little is left for torch to compute: its idle threads wait by spinning, on the processors
    that the threads of the products need.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    _given.number = before
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _given.number = None


class _Given(threading.local):
    number: int | None = None


_given = _Given()


@lru_cache(maxsize=1)
def _pool(num_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads, thread_name_prefix="sparsight")


# A forked process inherits the pool object but not its threads, and would wait for them forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
