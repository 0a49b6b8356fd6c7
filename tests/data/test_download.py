"""Loading from a server on this machine that breaks off, has no ranges, has another file, is gone or fails."""

import errno
import hashlib
import http.server
import io
import logging
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from anomaly_lab.data import download as module
from anomaly_lab.data.download import download
from anomaly_lab.errors import UserError
from anomaly_lab.runs.command_line import CONF

CONTENT = np.random.default_rng(0).bytes(300_000)


def archive_of(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return made.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`. `cuts`: of the next answers, how many bytes are sent before the connection breaks off."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.status = content, True, 200
        self.cuts: list[int] = []
        self.asked: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if asked and server.ranges and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        sent = server.content[start:]
        self.wfile.write(sent[: server.cuts.pop(0)] if server.cuts else sent)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PAUSE", 0.001)
    with Server(archive_of(parts__bottle__a=CONTENT, parts__readme=b"by")) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def record(server: Server, **changes: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.server_address[1]}/set.tar.gz"
    sha256 = hashlib.sha256(server.content).hexdigest()
    known = {
        "url": url,
        "sha256": sha256,
        "gb": 3e-4,
        "licence": "CC BY 4.0",
        "page": "https://publisher.test",
        "inside": "parts",
    }
    return known | changes


def left(root: Path) -> set[str]:
    """What lies in the folder, without the lock and the mark of what was loaded."""
    return {path.name for path in root.iterdir() if path.suffix not in (".lock", ".loaded")}


def test_the_licence_is_told_and_the_set_arrives_once(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "deep" / "sets"
    with caplog.at_level(logging.WARNING):
        download(root, "bottle", record(server))
    assert "under CC BY 4.0, see https://publisher.test" in caplog.text
    assert left(root) == {"bottle", "readme"} and (root / "bottle/a").read_bytes() == CONTENT
    download(root, "bottle", record(server))
    download(root, "misspelt", record(server))
    assert len(server.asked) == 1, "a misspelt category loads nothing again"


def test_a_connection_that_breaks_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000, 1]
    download(tmp_path, "bottle", record(server))
    assert server.asked == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]
    assert (tmp_path / "bottle/a").read_bytes() == CONTENT


def test_an_earlier_command_s_part_is_continued(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, *[0] * module.ATTEMPTS]
    with pytest.raises(UserError, match=r"can't be loaded .*: check the network; the same command goes on"):
        download(tmp_path, "bottle", record(server))
    server.cuts, server.asked = [], []
    download(tmp_path, "bottle", record(server))
    assert server.asked == ["bytes=100000-"] and left(tmp_path) == {"bottle", "readme"}


def test_a_complete_part_is_not_loaded_again(server: Server, tmp_path: Path) -> None:
    part = tmp_path / f".{record(server)['sha256'][:16]}.part"
    part.write_bytes(server.content)
    download(tmp_path, "bottle", record(server))
    assert server.asked == [f"bytes={len(server.content)}-"] and (tmp_path / "bottle").is_dir()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_of_another_longer_file_is_replaced(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    (tmp_path / f".{record(server)['sha256'][:16]}.part").write_bytes(bytes(400_000))
    download(tmp_path, "bottle", record(server))
    assert (tmp_path / "bottle/a").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [100_000]
    download(tmp_path, "bottle", record(server))
    assert server.asked == [None, "bytes=100000-"] and (tmp_path / "bottle/a").read_bytes() == CONTENT


def test_another_file_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"its sha256 is [0-9a-f]{64}, not 00"):
        download(tmp_path, "bottle", record(server, sha256="00" * 32))
    assert left(tmp_path) == set() and not list(tmp_path.glob("*.loaded"))


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_address_that_is_gone_names_the_publisher_s_page(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(UserError, match=rf"is gone \(HTTP {status}\): look for the new address on https://publisher.test"):
        download(tmp_path, "bottle", record(server))
    assert len(server.asked) == 1


def test_a_failing_server_is_asked_several_times(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(UserError, match=r"can't be loaded \(HTTP 503\)"):
        download(tmp_path, "bottle", record(server))
    assert len(server.asked) == module.ATTEMPTS


def test_no_server_and_no_address_of_the_web(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't be loaded .*refused"):
        download(tmp_path, "bottle", record(server, url="http://127.0.0.1:1/set"))
    with pytest.raises(UserError, match="must begin with https://"):
        download(tmp_path, "bottle", record(server, url="file:///etc/passwd"))


def test_a_disk_that_fills_up_keeps_what_has_come(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"GB free, and 2000000.0 GB are needed: free some space"):
        download(tmp_path, "bottle", record(server, gb=1e6))
    monkeypatch.setattr(module, "CHUNK", 10_000)

    class Filling(io.FileIO):
        written = 0

        def write(self, block: Any) -> int:
            Filling.written += len(block)
            if Filling.written > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(block)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode="r", *args, **more: Filling(path, mode.replace("b", "")))
        with pytest.raises(OSError, match="No space left"):
            download(tmp_path, "bottle", record(server))
    (part,) = tmp_path.glob("*.part")
    kept = part.stat().st_size
    assert 0 < kept <= 100_000
    download(tmp_path, "bottle", record(server))
    assert server.asked == [None, f"bytes={kept}-"]
    assert (tmp_path / "bottle/a").read_bytes() == CONTENT


def test_what_was_there_stays_and_a_bad_archive_leaves_nothing(server: Server, tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("mine")
    download(tmp_path, "bottle", record(server))
    assert (tmp_path / "readme").read_text() == "mine"
    root = tmp_path / "other"
    server.content = archive_of(parts__bottle__a=b"a", parts__BOTTLE__b=b"b")
    with pytest.raises(UserError, match="one file on some disks"):
        download(root, "bottle", record(server))
    assert {path.suffix for path in root.iterdir()} == {".lock", ".part"}
    server.content = archive_of(elsewhere__bottle__a=b"a")
    with pytest.raises(UserError, match=r"has no folder parts: set data.archive.inside"):
        download(tmp_path / "third", "bottle", record(server))


def test_processes_that_start_together_load_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=download, args=(tmp_path, "bottle", record(server))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1 and (tmp_path / "bottle/a").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["btad", "mvtec", "visa"])
def test_the_records_are_complete(name: str) -> None:
    archive = OmegaConf.load(CONF / f"data/{name}.yaml").archive
    assert set(archive) == {"url", "sha256", "gb", "licence", "page", "inside"}
    assert archive.url.startswith("https://") and archive.page.startswith("https://") and archive.gb > 1
    assert re.fullmatch("[0-9a-f]{64}", archive.sha256) and archive.licence.startswith("CC BY")
