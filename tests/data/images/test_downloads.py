"""Downloads from a server of our own that truncates, stalls, redirects and lies."""

import gzip
import hashlib
import http.server
import multiprocessing
import os
import ssl
import struct
import threading
import time

import numpy as np
import pytest
import trustme

from sparsight.data import PUBLISHED, download_set
from sparsight.data.images import _published_sets as published_sets
from sparsight.data.images._downloads import RemoteFile, download, mirrored
from sparsight.data.images._idx import FASHION_MNIST_FOLDER, fashion_mnist
from sparsight.data.images._published_sets import downloaded_folder, folder_or_downloaded
from sparsight.errors import InputError

CONTENT = np.random.default_rng(0).bytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Hostile(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        getattr(self, self.path.partition("?")[0].strip("/").replace("-", "_"))()

    def send(self, content, declared=None):
        self.send_response(200)
        if declared is not False:
            self.send_header("Content-Length", str(declared or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def redirect(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.end_headers()

    def good(self):
        self.send(CONTENT)

    def slow(self):
        time.sleep(0.5)
        self.send(CONTENT)

    def truncated(self):
        self.send(CONTENT[:1000], declared=len(CONTENT))

    def silently_truncated(self):
        self.send(CONTENT[:1000], declared=False)

    def stalled(self):
        self.send(CONTENT[:1000], declared=len(CONTENT))
        self.server.released.wait(10)

    def dripping(self):
        self.send(b"", declared=False)
        while not self.server.released.wait(0.02):
            self.wfile.write(b"x")

    def lying(self):
        self.send(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))

    def endless(self):
        self.send(b"", declared=False)
        while not self.server.released.is_set():
            self.wfile.write(CONTENT)

    def boasting(self):
        self.send(CONTENT, declared=2**50)

    def nonsense(self):
        self.wfile.write(b"SSH-2.0-server\r\n\r\n")

    def missing(self):
        self.send_error(404, "Not Found")

    def to_good(self):
        self.redirect("/good")

    def to_http(self):
        self.redirect(f"http://localhost:{self.server.server_port}/good")

    def to_file(self):
        self.redirect("file:///etc/passwd")

    def to_ftp(self):
        self.redirect("ftp://localhost/good")

    def to_itself(self):
        self.redirect("/to-itself")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # the other side hung up, as it should
        pass


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def server(authority):
    server = Server(("127.0.0.1", 0), Hostile)
    server.requests, server.released = [], threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"https://localhost:{server.server_port}"
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def remote(*urls, max_bytes=200_000, sha256=DIGEST):
    return RemoteFile("images.gz", urls, sha256, max_bytes)


def kept(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize("path", ["good", "to-good"])
def test_a_file_is_got_once_and_kept(server, trusting, tmp_path, path):
    for _ in range(2):
        found = download(remote(f"{server.url}/{path}"), tmp_path / "new", context=trusting)
        assert found == tmp_path / "new" / "images.gz"
        assert found.read_bytes() == CONTENT
    assert server.requests.count(f"/{path}") == 1
    assert kept(tmp_path / "new") == ["images.gz"]


LIES = {
    "truncated": "declared 200000 bytes and sent 1000",
    "silently-truncated": "its SHA-256 is not",
    "stalled": "sends nothing",
    "dripping": "took longer than 0.5 s",
    "lying": "its SHA-256 is not",
    "endless": "sends more than 200000 bytes",
    "boasting": f"declares {2**50} bytes; up to 200000",
    "nonsense": "SSH-2.0",
    "missing": "answers 404 Not Found",
    "to-http": "unknown url type: http",
    "to-file": "Redirection to url 'file:///etc/passwd' is not allowed",
    "to-ftp": "unknown url type: ftp",
    "to-itself": "infinite loop",
}


@pytest.mark.parametrize("path", LIES)
def test_a_server_that_lies_leaves_nothing_behind_and_the_next_is_asked(server, trusting, tmp_path, path):
    limits = {"stall_seconds": 0.3, "max_seconds": 0.5, "context": trusting}
    with pytest.raises(InputError, match=rf"nothing is kept: {server.url}/{path}: .*{LIES[path]}"):
        download(remote(f"{server.url}/{path}"), tmp_path, **limits)
    assert kept(tmp_path) == []
    server.released.set()
    tried = []
    two = remote(f"{server.url}/{path}", f"{server.url}/good")
    found = download(two, tmp_path, stall_seconds=0.3, context=trusting, on_attempt=tried.append)
    assert found.read_bytes() == CONTENT
    assert tried == [f"{server.url}/{path}", f"{server.url}/good"]
    assert "/good" in server.requests


def test_a_damaged_copy_is_got_again(server, trusting, tmp_path):
    (tmp_path / "images.gz").write_bytes(CONTENT[:-1])
    assert download(remote(f"{server.url}/good"), tmp_path, context=trusting).read_bytes() == CONTENT


def test_a_good_copy_survives_servers_that_lie(server, trusting, tmp_path):
    (tmp_path / "images.gz").write_bytes(CONTENT)
    assert download(remote(f"{server.url}/lying"), tmp_path, context=trusting).read_bytes() == CONTENT
    assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server, tmp_path):
    with pytest.raises(InputError, match="CERTIFICATE_VERIFY_FAILED"):
        download(remote(f"{server.url}/good"), tmp_path)


def test_nobody_listens(server, trusting, tmp_path):
    with pytest.raises(InputError, match="refused"):
        download(remote("https://localhost:1/good"), tmp_path, context=trusting)


@pytest.mark.parametrize(
    "url", ["http://localhost/good", "ftp://localhost/good", "data:,x", "good", "", "HTTP://x", "doi:10.1/x"]
)
def test_other_addresses_are_not_used(tmp_path, url):
    with pytest.raises(InputError, match="neither https: nor file:"):
        download(remote(url), tmp_path)


@pytest.mark.parametrize("name", ["../images", "/images", "a/b", ".hidden", "", ".."])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="is not a plain file name"):
        download(RemoteFile(name, ("file:///x",), DIGEST, 10), tmp_path)


@pytest.mark.parametrize("digest", ["", "0" * 63, "g" * 64, DIGEST.upper(), "md5:" + "0" * 60])
def test_a_file_without_a_digest_is_refused(tmp_path, digest):
    with pytest.raises(InputError, match="64 hexadecimal digits are needed"):
        download(remote("file:///x", sha256=digest), tmp_path)


def test_files_of_this_machine_can_be_named(tmp_path):
    (tmp_path / "images.gz").write_bytes(CONTENT)
    file = mirrored(remote("https://localhost:1/none"), [tmp_path.as_uri() + "/"])
    assert download(file, tmp_path / "cache").read_bytes() == CONTENT
    with pytest.raises(InputError, match="sends more than 10 bytes|declares 200000 bytes"):
        download(remote((tmp_path / "images.gz").as_uri(), max_bytes=10), tmp_path / "other")
    with pytest.raises(InputError, match="No such file"):
        download(remote((tmp_path / "absent").as_uri()), tmp_path / "other")


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_mirror_of_this_machine_gives_ordinary_files_only(tmp_path, kind):
    """A FIFO would block where nobody writes, before any limit of time counts."""
    if kind == "fifo":
        os.mkfifo(tmp_path / "images.gz")
    else:
        (tmp_path / "images.gz").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="only ordinary files are read"):
        download(remote((tmp_path / "images.gz").as_uri()), tmp_path / "cache")
    assert kept(tmp_path / "cache") == []


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_what_is_downloaded_has_the_mode_that_the_umask_gives(tmp_path, mask):
    (tmp_path / "images.gz").write_bytes(CONTENT)
    before = os.umask(mask)
    try:
        path = download(remote((tmp_path / "images.gz").as_uri()), tmp_path / "cache")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be kept in .*SPARSIGHT_CACHE"):
        download(remote("file:///x"), tmp_path / "file")


def get(url, folder, certificate, answers):
    context = ssl.create_default_context(cafile=certificate)
    answers.put(download(remote(url), folder, context=context).read_bytes() == CONTENT)


def test_two_processes_get_it_once(server, authority, tmp_path):
    certificate = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    spawning = multiprocessing.get_context("spawn")
    answers = spawning.Queue()
    arguments = (f"{server.url}/slow", tmp_path / "cache", str(certificate), answers)
    processes = [spawning.Process(target=get, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=120) for _ in processes] == [True, True]
    for process in processes:
        process.join()
    assert server.requests == ["/slow"]
    assert kept(tmp_path / "cache") == ["images.gz"]


def test_published_sets_are_pinned_and_come_over_https():
    for files in PUBLISHED.values():
        for file in files:
            assert len(file.sha256) == 64
            assert all(url.startswith("https://") and url.endswith("/" + file.name) for url in file.urls)


def test_a_published_set_is_taken_from_a_mirror_and_found_by_its_source(tmp_path, monkeypatch, capsys):
    from sparsight.cli import main

    mirror = tmp_path / "mirror"
    mirror.mkdir()
    files = []
    for prefix, number in (("train", 60), ("t10k", 20)):
        images = np.random.default_rng(number).integers(0, 256, (number, 4, 4), dtype=np.uint8)
        labels = (np.arange(number) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            content = gzip.compress(header + array.tobytes())
            name = f"{prefix}-{kind}-ubyte.gz"
            (mirror / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append(RemoteFile(name, ("https://localhost:1/none",), digest, len(content)))
    monkeypatch.setitem(published_sets.PUBLISHED, "fashion-mnist", tuple(files))
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as ended:
        main(["data", "fashion-mnist", "--download", "--mirror", mirror.as_uri()])
    assert ended.value.code == 0
    folder = downloaded_folder("fashion-mnist")
    assert f"fashion-mnist is in {folder}" in capsys.readouterr().out
    assert fashion_mnist(folder=str(folder), seed=0).train_inputs.shape == (60, 1, 4, 4)
    (mirror / files[0].name).write_bytes(b"other")
    (folder / files[0].name).unlink()
    with pytest.raises(InputError, match="its SHA-256 is not"):
        download_set("fashion-mnist", [mirror.as_uri()])


def test_the_downloaded_folder_stands_in_for_a_default_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSIGHT_CACHE", str(tmp_path))
    absent = str(tmp_path / "absent")
    assert folder_or_downloaded(absent, absent, "cifar10") == tmp_path / "absent"
    (tmp_path / "cifar10").mkdir()
    assert folder_or_downloaded(absent, absent, "cifar10") == tmp_path / "cifar10"
    assert folder_or_downloaded("mine", absent, "cifar10").name == "mine"
    assert folder_or_downloaded(str(tmp_path), str(tmp_path), "cifar10") == tmp_path
    assert FASHION_MNIST_FOLDER.startswith("/usr")


def test_what_is_not_published_is_not_downloaded():
    with pytest.raises(InputError, match="'photographs' cannot be downloaded; fashion-mnist, mnist, "):
        download_set("photographs")
