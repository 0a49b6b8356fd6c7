"""What the server refuses, without a server: routes, files, other sites, lengths."""

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from anomaly_lab.app.guard import FILE, SAID, UPLOAD, Guard, Refusal, allowed

HOSTS = frozenset(("127.0.0.1", "localhost", "::1"))
OWN = {"host": "127.0.0.1:7860"}


def status(method: str, path: str, headers: dict[str, str] | None = None, uploads: Path = Path("/out/.uploads")) -> int:
    """The status of a refusal, 200 where there is none."""
    found = allowed(method, path, OWN | (headers or {}), uploads, HOSTS)
    return found.status if isinstance(found, Refusal) else 200


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("GET", "/", 0),
        ("HEAD", "/", 0),
        ("GET", "/assets/index-abc.js", 0),
        ("GET", "/gradio_api/queue/data", 0),
        ("GET", "/gradio_api/heartbeat/a1b2", 0),
        ("GET", "/gradio_api/file=/out/.uploads/ab/x.png", 0),
        ("POST", "/gradio_api/queue/join", SAID),
        ("POST", "/gradio_api/upload", UPLOAD),
        ("PUT", "/decide/x.png", FILE),
    ],
)
def test_what_the_page_needs_is_allowed(method: str, path: str, most: int) -> None:
    assert allowed(method, path, OWN, Path("/out/.uploads"), HOSTS) == most


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://example.com/", "/proxy=http://example.com", "/gradio_api/run-history/connect",
        "/gradio_api/vibe-code", "/gradio_api/process_recording", "/gradio_api/component_server", "/monitoring",
        "/gradio_api/stream/x", "/gradio_api/call/page", "/gradio_api/deep_link", "/gradio_api/runs", "/openapi.json",
        "/gradio_api/custom_component/x/client/component/index.js", "/decide/", "/decide/a/b", "/file=/etc/passwd",
        "/gradio_api/file/etc/passwd", "/gradio_api/file=", "/../etc/passwd", "/assets/../../etc/passwd", "/static/..\\x",
        "/assets/\0", "//etc/passwd", "/gradio_api/file=/out/.uploads/../../etc/passwd", "/login", "/gradio_api/heartbeat/a/b",
    ],
)  # fmt: skip
def test_every_other_route_is_refused(path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        assert status(method, path) in (403, 404), (method, path)


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "http://example.com/x.png",
        "out/.uploads",
        "~/.ssh/id_rsa",
        "/out",
        "/out/marks.jsonl",
        "/out/.uploads2/x",
    ],
)
def test_no_file_outside_the_uploads_is_readable(file: str) -> None:
    assert status("GET", f"/gradio_api/file={file}") == 403


def test_a_link_among_the_uploads_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/link.png").symlink_to("/etc/passwd")
    (tmp_path / "uploads/own.png").write_text("")
    assert status("GET", f"/gradio_api/file={tmp_path}/uploads/link.png", uploads=tmp_path / "uploads") == 403
    assert status("GET", f"/gradio_api/file={tmp_path}/uploads/own.png", uploads=tmp_path / "uploads") == 200


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", {"origin": "http://127.0.0.1:7860"}, 200),
        ("POST", {"host": "localhost:7860", "origin": "http://localhost:7860"}, 200),
        ("POST", {"host": "[::1]:7860", "origin": "http://[::1]:7860"}, 200),
        ("POST", {"origin": "http://example.com"}, 403),
        ("POST", {"origin": "http://127.0.0.1:8000"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"host": "example.com:7860", "origin": "http://example.com:7860"}, 403),
        ("POST", {"host": ""}, 403),
        ("POST", {"host": "127.0.0.1.example.com"}, 403),
        ("GET", {}, 405),
        ("POST", {"content-length": str(SAID)}, 200),
        ("POST", {"content-length": str(SAID + 1)}, 413),
        ("POST", {"content-length": "-1"}, 413),
        ("POST", {"content-length": "many"}, 413),
    ],
)
def test_other_sites_other_methods_and_long_bodies(method: str, headers: dict[str, str], expected: int) -> None:
    assert status(method, "/gradio_api/queue/join", headers) == expected


def test_a_page_for_everyone_takes_any_host_but_no_other_origin() -> None:
    known = {"host": "lab.example:7860", "origin": "http://lab.example:7860"}
    assert allowed("POST", "/gradio_api/queue/join", known, Path("/u"), None) == SAID
    found = allowed("POST", "/gradio_api/queue/join", known | {"origin": "http://evil.example"}, Path("/u"), None)
    assert isinstance(found, Refusal) and found.status == 403


def answered(parts: list[bytes], path: str = "/gradio_api/queue/join", begin: bool = False) -> list[MutableMapping[str, Any]]:
    """The messages of an answer of an application that reads a body, sent in parts without its length."""
    sent: list[MutableMapping[str, Any]] = []
    waiting = [{"type": "http.request", "body": part, "more_body": k < len(parts) - 1} for k, part in enumerate(parts)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begin:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["more_body"]:
            pass
        if not begin:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"Host", b"localhost")]}
    asyncio.run(Guard(app, Path("/out/.uploads"), HOSTS)(scope, receive, send))
    return sent


def test_a_body_is_cut_off_where_it_is_too_long() -> None:
    half = b"x" * (SAID // 2)
    start, body = answered([half, half])
    assert start["status"] == 200 and body["body"] == b"read"
    start, body = answered([half, half, b"x"])
    assert start["status"] == 413 and b"at most 1 MiB at once" in body["body"]
    assert [m["type"] for m in answered([half, half, b"x"], begin=True)] == ["http.response.start"], "no second answer"


def test_each_answer_forbids_what_comes_from_elsewhere() -> None:
    for path in ("/gradio_api/queue/join", "/nothing"):
        headers = dict(answered([b""], path)[0]["headers"])
        assert b"default-src 'self'" in headers[b"content-security-policy"] and headers[b"x-content-type-options"] == b"nosniff"
