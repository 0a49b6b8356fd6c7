"""The page's server as a process of its own: its API agrees with the run, and hostile requests get a refusal and no file."""

import asyncio
import errno
import io
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import threading
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import quote

import numpy as np
import pytest
from conftest import Finished, scores_of
from PIL import Image

from anomaly_lab.app import __main__ as door
from anomaly_lab.app.decide import Judge
from app.served import Served

PASSWORDS = Path("/etc/passwd")
KNOWN = {
    ".uploads",
    "app.log",
    ".claimed",
    "app.json",
    "marks.jsonl",
    "marks.csv",
    "normal",
    "defective",
    "calibrated_1",
}  # in out=


def encoded(form: str, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A small PNG file of side² black pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(3 * side + 1) * 64) * 1
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def put(served: Served, name: str, body: bytes) -> tuple[int, dict[str, object]]:
    status, answer, _ = served.ask("PUT", f"/decide/{quote(name, safe='')}", body)
    return status, json.loads(answer)


def test_the_api_gives_the_run_s_own_rows(served: Served, finished: Finished) -> None:
    for row in scores_of(finished.directory):
        status, found = put(served, "part.png", (finished.root / "stripes" / row["path"]).read_bytes())
        assert status == 200 and found["path"] == "part.png" and found["error"] is None
        assert found["score"] == pytest.approx(float(row["score"]), rel=1e-5)
        assert found["level"] == pytest.approx(float(row["level"]), rel=1e-5)
        assert found["defective"] == (row["predicted"] == "1") == bool(found["defects"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_of_docs_and_help_works(served: Served, images: list[Path], judge: Judge, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/app.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    (curl .*)$", page, re.MULTILINE)
    assert line in str(door.__doc__)
    shutil.copy(images[0], tmp_path / "image.png")
    command = shlex.split(line.replace(":7860", f":{served.port}"))
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    row = json.loads(ended.stdout)
    assert row == judge.row(judge.judge(images[0], "image.png"))
    assert set(re.findall(r"`(\w+)`", page.split("own threshold: ")[1].split("The status")[0])) == set(row)


HOSTILE = {
    "nothing": b"",
    "zeros": bytes(4096),
    "a text": b"no image",
    "a script": b"<script>alert(1)</script>",
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip": b"PK\x03\x04" + bytes(64),
    "half a PNG": encoded("PNG")[:400],
    "half a JPEG": encoded("JPEG")[:400],
    "a float TIFF": encoded("TIFF", "F"),
    "the head of a PNG with 60000² pixels": bomb(60000)[:64],
    "a PNG of 20000² pixels": bomb(20000),
    "a PNG of 8000² pixels": bomb(8000),
    "a PBM of 30000² pixels": b"P4 30000 30000\n" + bytes(1000),
}


def test_an_upload_that_cannot_be_kept_is_a_sentence(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gradio", reason="the extra `app` is not installed")
    from fastapi import Request

    from anomaly_lab.app import serve

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "image")
    monkeypatch.setattr(serve.tempfile, "TemporaryDirectory", Mock(side_effect=full))
    monkeypatch.setattr(serve, "mount", Mock())
    decide = serve.application(judge, Mock(), tmp_path).routes[-1].endpoint
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have an event loop in this thread
        answer = pool.submit(lambda: asyncio.run(decide("a.png", Request({"type": "http"})))).result()
    assert (answer.status_code, b"a.png could not be kept (No space left" in answer.body) == (507, True)


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_image_or_too_large_is_a_sentence(kind: str, served: Served) -> None:
    before = served.memory()
    status, found = put(served, f"{kind}.png", HOSTILE[kind])
    assert status == 422 and set(found) == {"path", "error"} and str(found["error"]).startswith(f"{kind}.png ")
    assert served.memory() - before < 100 * 2**20, "it was refused by its head, not decoded"


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("JPEG", "CMYK", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "1", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("BMP", "RGB", {}),
    ],
)
def test_unusual_images_are_decided_as_predict_does(
    form: str, mode: str, options: dict[str, object], served: Served, judge: Judge, tmp_path: Path
) -> None:
    data = encoded(form, mode, **options)
    (tmp_path / "x").write_bytes(data)
    assert put(served, "x", data) == (200, judge.row(judge.judge(tmp_path / "x", "x")))


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>.png", "../../../etc/cron.d/x.png", "x\n.png", "…ü.png", "con.png", "a" * 300 + ".png", "%00"],
)
def test_names_are_only_names(name: str, served: Served, images: list[Path]) -> None:
    status, answer, _ = served.ask("PUT", f"/decide/{quote(name, safe='')}", images[0].read_bytes())
    if "/" in name:
        assert status == 404
    else:
        assert status == 200 and json.loads(answer)["path"] == name
    files = [path.relative_to(served.out.parent).parts for path in served.out.parent.rglob("*") if path.is_file()]
    assert {parts[:2] for parts in files} <= {("marks", known) for known in KNOWN}


SECRETS = [
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=%2Fetc%2Fpasswd",
    "/gradio_api/file=%252Fetc%252Fpasswd",
    "/gradio_api/file=file:///etc/passwd",
    "/gradio_api/file={out}/.uploads/../../../../../../../../etc/passwd",
    "/gradio_api/file={out}/.uploads/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/gradio_api/file={out}/marks.jsonl",
    "/gradio_api/file={out}/app.json",
    "/gradio_api/file={run}/config.yaml",
    "/gradio_api/file={run}/checkpoints/best.ckpt",
    "/gradio_api/file=http://127.0.0.1:{port}/config",
    "/gradio_api/file=//127.0.0.1:{port}/config",
    "/gradio_api/file/etc/passwd",
    "/file=/etc/passwd",
    "/gradio_api/proxy=http://127.0.0.1:{port}/config",
    "/assets/../../../../../../../../etc/passwd",
    "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static//etc/passwd",
    "/gradio_api/custom_component/0/client/component/../../../../../etc/passwd",
    "/gradio_api/stream/../../etc/passwd",
    "/gradio_api/deep_link?session_hash=x",
    "/gradio_api/vibe-code",
    "/monitoring",
    "/gradio_api/runs",
]


@pytest.mark.skipif(not PASSWORDS.is_file(), reason="the system has no /etc/passwd")
@pytest.mark.parametrize("path", SECRETS)
def test_nothing_outside_the_uploads_is_readable(path: str, served: Served, finished: Finished) -> None:
    path = path.format(out=served.out, run=finished.directory, port=served.port)
    status, body, _ = served.ask("GET", path)
    assert 400 <= status < 500 and len(body) < 200
    assert PASSWORDS.read_bytes()[:20] not in body and b"checkpoint" not in body


def upload(served: Served, name: str, content: bytes) -> tuple[int, bytes]:
    """Upload a file as the page does."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + content
        + b"\r\n--b--\r\n"
    )
    status, answer, _ = served.ask("POST", "/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=b")
    return status, answer


def test_an_upload_is_read_back_as_a_file_and_never_as_a_page(served: Served) -> None:
    status, answer = upload(served, "evil.html", b"<script>alert(1)</script>")
    (path,) = json.loads(answer)
    assert status == 200 and Path(path).is_relative_to(served.out / ".uploads")
    status, _, headers = served.ask("GET", f"/gradio_api/file={quote(path)}")
    assert status == 200 and headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff" and headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["../../../../up.png", "..\\..\\up.png", "/etc/up.png", "%2e%2e%2fup.png"])
def test_an_upload_lands_nowhere_else(name: str, served: Served) -> None:
    status, answer = upload(served, name, b"x")
    assert status == 200 and all(Path(path).resolve().is_relative_to(served.out / ".uploads") for path in json.loads(answer))


def event(served: Served, number: int, data: list[object]) -> str:
    """Send an event as the page does, from a visit of its own, and return what the server's stream says of it."""
    visit = uuid.uuid4().hex
    said = json.dumps({"fn_index": number, "data": data, "session_hash": visit, "event_data": None}).encode()
    status, _, _ = served.ask("POST", "/gradio_api/queue/join", said, Content_Type="application/json")
    return served.ask("GET", f"/gradio_api/queue/data?session_hash={visit}")[1].decode() if status == 200 else f"{status}"


def test_an_event_can_name_no_file_and_no_address(served: Served, finished: Finished) -> None:
    """The page's first event takes files; what was not uploaded is refused before it is opened."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.5)
        port = other.getsockname()[1]

        def listen() -> None:
            while True:
                try:
                    other.accept()[0].close()
                    asked.append(1)
                except OSError:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        for path in (
            "/etc/passwd",
            str(finished.directory / "config.yaml"),
            f"http://127.0.0.1:{port}/x.png",
            "http://192.0.2.1/x.png",
        ):
            file = {"path": path, "url": path, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}
            said = event(served, 0, [[file], None, 1.0, "plain"])
            assert '"success":false' in said, (path, said)
            assert "root:" not in said
        thread.join()
    assert not asked


def test_an_event_with_absurd_values_breaks_nothing(served: Served) -> None:
    for given in ("x", None, [1], {"a": 1}, 1e308, -1e308, "NaN"):
        assert "process_completed" in event(served, 2, [None, None, given, "plain"])
    assert served.ask("GET", "/")[0] == 200


def test_long_bodies_are_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(b"PUT /decide/x.png HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 413"), "before it is sent"
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        part = b"%x\r\n" % 2**18 + bytes(2**18) + b"\r\n"
        try:
            for _ in range(8):
                line.sendall(part)
        except OSError:
            pass  # the server has closed the line
        assert re.match(rb"HTTP/1.1 4(13|00)", line.recv(4096)), "Gradio makes 400 of it"


def test_other_sites_and_names_are_refused(served: Served) -> None:
    assert served.ask("GET", "/", Host="evil.example")[0] == 403
    assert served.ask("PUT", "/decide/x.png", b"x", Origin="http://evil.example")[0] == 403
    status, _, headers = served.ask("GET", "/", Origin="http://evil.example")
    assert status == 200 and headers["access-control-allow-origin"] in (None, "")


def test_two_users_at_once_get_their_own_answers(served: Served, images: list[Path], judge: Judge) -> None:
    rows: dict[int, dict[str, object]] = {}

    def user(k: int) -> None:
        rows[k] = put(served, f"{k}.png", images[k].read_bytes())[1]

    threads = [threading.Thread(target=user, args=(k,)) for k in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, image in enumerate(images):
        assert rows[k] == judge.row(judge.judge(image, f"{k}.png"))
