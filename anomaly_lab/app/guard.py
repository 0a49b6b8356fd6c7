"""What the server answers at all. Gradio has many routes; the page needs few, and every other one is refused before Gradio
sees it. An ASGI application around another one; it knows neither Gradio nor the page.

- A route that is not in `ROUTES` → 404. Gradio's others fetch addresses, start programs or show what others did.
- A file outside the folder of uploads → 403, whatever Gradio would say.
- A page of another site, in the same browser → 403: its requests carry its own Origin, or a foreign Host (DNS rebinding).
- A body over the limit → 413, before it is read or as soon as it is too long.
- Each answer forbids the browser to load anything from elsewhere, or to guess a file's type.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FILE = 64 * 2**20  # bytes of an image
UPLOAD = 4 * 2**30  # bytes of all images that are dropped at once
SAID = 2**20  # bytes of any other request
DECIDE = "/decide/"  # the HTTP API: PUT an image here
FILES = "/gradio_api/file="
READ, WRITE = frozenset(("GET", "HEAD")), frozenset(("POST",))
ROUTES = (  # pattern of the path, methods, bytes
    (r"/|/config/?|/theme\.css|/favicon\.ico|/(assets|static)/[^\\]+", READ, 0),
    (r"/gradio_api/(info|app_id|startup-events|heartbeat/\w+|queue/data|upload_progress)/?", READ, 0),
    (re.escape(FILES) + ".+", READ, 0),
    (r"/gradio_api/(queue/join|cancel|reset)/?", WRITE, SAID),
    (r"/gradio_api/upload/?", WRITE, UPLOAD),
    (re.escape(DECIDE) + "[^/]+", frozenset(("PUT",)), FILE),
)
HEADERS = {
    "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Refusal(NamedTuple):
    """An answer instead of the application's."""

    status: int
    sentence: str


class Guard:
    """`app`, of which only `ROUTES` are reached. `uploads`: the one folder whose files may be read.

    `hosts`: the names by which this machine may be addressed; None for any, where others may use the page.
    """

    def __init__(self, app: Any, uploads: Path, hosts: frozenset[str] | None) -> None:
        self.app, self.uploads, self.hosts = app, uploads.resolve(), hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            answer = _Answer(send)
            try:
                most = allowed(scope["method"], scope["path"], headers, self.uploads, self.hosts)
                if isinstance(most, Refusal):
                    await answer.refuse(most)
                else:
                    await self.app(scope, _limited(receive, most), answer)
            except _TooLong as error:
                await answer.refuse(Refusal(413, str(error)))


def allowed(method: str, path: str, headers: Mapping[str, str], uploads: Path, hosts: frozenset[str] | None) -> int | Refusal:
    """The bytes that a request's body may have, or why it is refused. `path` without escapes, `headers` in lower case."""
    host = headers.get("host", "")
    if hosts is not None and (urlsplit(f"//{host}").hostname or "") not in hosts:
        return Refusal(403, "this page is for its own machine")
    if method not in READ and "origin" in headers and urlsplit(headers["origin"]).netloc != host:
        return Refusal(403, "a page of another site asked")
    fitting = [(methods, most) for pattern, methods, most in ROUTES if re.fullmatch(pattern, path, re.DOTALL)]
    if not fitting or ".." in path.split("/") or "\0" in path:
        return Refusal(404, "there is nothing here")
    ((methods, most),) = fitting
    if method not in methods:
        return Refusal(405, f"use {' or '.join(sorted(methods))}")
    if path.startswith(FILES) and not Path(path.removeprefix(FILES)).resolve().is_relative_to(uploads):
        return Refusal(403, "this file is not readable here")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > most:
        return Refusal(413, too_long(most))
    return most


def too_long(most: int) -> str:
    """The sentence for a body over `most` bytes."""
    return f"this is too large: send at most {most // 2**20} MiB at once" if most else "send nothing here"


class _TooLong(Exception):
    pass


class _Answer:
    """Passes an answer on, with `HEADERS`. A refusal is sent unless an answer has begun."""

    def __init__(self, send: Send) -> None:
        self.send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self.send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if not self.begun:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
            await self({"type": "http.response.body", "body": f"{refusal.sentence}\n".encode()})


def _limited(receive: Receive, most: int) -> Receive:
    """`receive`, which raises _TooLong as soon as more than `most` bytes have come: a body need not say its length before."""
    came = 0

    async def next_message() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise _TooLong(too_long(most))
        return message

    return next_message
