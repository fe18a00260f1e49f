"""Downloads over https or from this machine, with a known SHA-256, complete or not at all.

pooch compares the SHA-256, writes to a temporary name and renames, but fetches with our own opener. The
digest makes plain pooch safe against wrong content, not against a server that redirects to http or into
this machine, drips for hours, or fills the disk before there is anything to compare (docs/decisions.md,
"Downloads go through pooch, but not through its downloader").
"""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib import error as url_error, parse as url_parse, request as url_request

from filelock import FileLock

from sparsight.atomic import follow_umask
from sparsight.errors import InputError
from sparsight.regular_files import require_regular

_STALL_SECONDS = 30.0
_MAX_SECONDS = 3600.0
_BLOCK = 2**16


@dataclass(frozen=True)
class RemoteFile:
    """A file that several servers hold, all with the same bytes.

    Its name is a plain file name. The addresses, ``https:`` or ``file:``, are tried in order; no more than
    `max_bytes` are read, and content with another SHA-256 (hexadecimal) is thrown away.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    max_bytes: int


class _MirrorError(Exception):
    """A server does not deliver the file; the next one may."""


def download(
    file: RemoteFile,
    folder: Path,
    *,
    stall_seconds: float = _STALL_SECONDS,
    max_seconds: float = _MAX_SECONDS,
    context: ssl.SSLContext | None = None,
    on_attempt: Callable[[str], None] = lambda _: None,
) -> Path:
    """Return the path of a file in a folder, downloaded from the first server that delivers it.

    The file takes its name only when it is complete and has its SHA-256. An existing file with that digest is
    not downloaded again. Two processes that want the same file wait for each other. A server is abandoned
    after `stall_seconds` without data, or `max_seconds` in total. `context` is for servers with private
    certificates; `on_attempt` is called with each address before it is tried.
    """
    import pooch  # here, because it takes a quarter of a second

    _check(file)
    pooch.get_logger().setLevel("ERROR")
    path = folder / file.name
    refusals = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{file.name}.lock"):
            for url in file.urls:
                on_attempt(url)
                try:
                    pooch.retrieve(
                        url,
                        f"sha256:{file.sha256}",
                        fname=file.name,
                        path=folder,
                        downloader=_Fetch(file.max_bytes, stall_seconds, max_seconds, context),
                    )
                    follow_umask(path)  # pooch downloads to a temporary file, which nobody else may read
                    return path
                except _MirrorError as error:
                    refusals.append(f"{url}: {error}")
                except ValueError:  # raised by pooch for a wrong hash
                    refusals.append(f"{url}: its SHA-256 is not {file.sha256[:12]}…")
    except OSError as error:
        raise InputError(
            f"{file.name} cannot be kept in {folder} ({error.strerror}): free some space, or set "
            "SPARSIGHT_CACHE to another folder"
        ) from None
    raise InputError(f"{file.name} cannot be downloaded, and nothing is kept: {'; '.join(refusals)}")


def _check(file: RemoteFile) -> None:
    if not file.name or Path(file.name).name != file.name or file.name.startswith("."):
        raise InputError(f"{file.name!r} is not a plain file name; use letters, digits, '-', '_' and '.'")
    is_hexadecimal = len(file.sha256) == 64 and not set(file.sha256) - set("0123456789abcdef")
    if not is_hexadecimal:
        raise InputError(f"sha256 of {file.name} is {file.sha256!r:.80}; 64 hexadecimal digits are needed")
    for url in file.urls:
        if url_parse.urlsplit(url).scheme not in ("https", "file"):
            raise InputError(f"{url!r:.200} is neither https: nor file:; only these are used")
    if not file.urls:
        raise InputError(f"{file.name} has no address; give one, https: or file:")


class _Fetch:
    """The downloader that pooch calls to write the content of an address to a temporary file."""

    def __init__(
        self, max_bytes: int, stall_seconds: float, max_seconds: float, context: ssl.SSLContext | None
    ) -> None:
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds
        self._max_seconds = max_seconds
        # Not build_opener, which would add http, ftp and data: a redirect to any of these then fails. For
        # the same reason only the https proxy is passed on: an http proxy would bring http back.
        proxies = {name: url for name, url in url_request.getproxies().items() if name == "https"}
        self._opener = url_request.OpenerDirector()
        for handler in (
            url_request.ProxyHandler(proxies),
            url_request.HTTPSHandler(context=context),
            url_request.FileHandler(),
            url_request.HTTPDefaultErrorHandler(),
            url_request.HTTPErrorProcessor(),
            url_request.HTTPRedirectHandler(),
            url_request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        until = time.monotonic() + self._max_seconds
        with Path(output_file).open("wb") as target, self._open(url) as source:
            declared = source.headers.get("Content-Length", "")
            if declared.isdecimal() and int(declared) > self._max_bytes:
                raise _MirrorError(f"it declares {declared} bytes; up to {self._max_bytes} are expected")
            size = 0
            while block := _read(source):
                size += len(block)
                if size > self._max_bytes:
                    raise _MirrorError(f"it sends more than {self._max_bytes} bytes")
                if time.monotonic() > until:
                    raise _MirrorError(f"it took longer than {self._max_seconds:g} s")
                target.write(block)
            if declared.isdecimal() and size != int(declared):
                raise _MirrorError(f"it declared {declared} bytes and sent {size}")

    def _open(self, url: str) -> Any:
        with _refusals():
            parts = url_parse.urlsplit(url)
            if parts.scheme == "file":  # a FIFO would block, and a device never end
                require_regular(Path(url_request.url2pathname(parts.path)))
            return self._opener.open(url, timeout=self._stall_seconds)


def _read(source: Any) -> bytes:
    with _refusals():  # read1 returns what has arrived: waiting for a full block would hide a dripping server
        return bytes(source.read1(_BLOCK) if hasattr(source, "read1") else source.read(_BLOCK))


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn errors of the network into `_MirrorError`; those of the local disk stay as they are."""
    try:
        yield
    except url_error.HTTPError as error:
        error.close()
        raise _MirrorError(f"it answers {error.code} {error.reason}") from None
    except url_error.URLError as error:
        raise _MirrorError(_reason(error.reason)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _MirrorError(_reason(error)) from None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it sends nothing"
    return " ".join(str(error).split())[:200] or type(error).__name__


def mirrored(file: RemoteFile, mirrors: Sequence[str]) -> RemoteFile:
    """Return the file with further addresses, tried first: those of folders that hold it under its name."""
    own = tuple(f"{mirror.rstrip('/')}/{file.name}" for mirror in mirrors)
    return RemoteFile(file.name, own + file.urls, file.sha256, file.max_bytes)
