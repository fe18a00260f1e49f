"""Sharing the rows of a product out among threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any


def in_parallel(kernel: Callable[..., Any], shares: Sequence[tuple[int, int]], *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` for every share, the first of them in this thread."""
    futures: list[Future[Any]] = []
    if len(shares) > 1:
        pool = _pool(len(shares) - 1)
        futures = [pool.submit(kernel, first, last, *arguments) for first, last in shares[1:]]
    kernel(*shares[0], *arguments)
    for future in futures:
        future.result()


@lru_cache(maxsize=1)
def _pool(num_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(num_threads, thread_name_prefix="sparsight")


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_pool.cache_clear)
