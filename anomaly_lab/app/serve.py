"""The server: the page and the HTTP API on one port, behind the guard, until Ctrl-C."""

import errno
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.status import HTTP_507_INSUFFICIENT_STORAGE

from anomaly_lab.app.decide import Judge
from anomaly_lab.app.guard import DECIDE, Guard
from anomaly_lab.app.marks import Marks
from anomaly_lab.app.page import mount
from anomaly_lab.errors import FULL, REMEDIES, UserError
from anomaly_lab.files import digest, of_file
from anomaly_lab.runs.directory import best_checkpoint
from anomaly_lab.runs.trained import load

LOG = "app.log"  # in out=: what Gradio says of errors
UPLOADS = ".uploads"  # a folder in out=, emptied when the page begins and when it ends


class Options(NamedTuple):
    """The arguments of the command, see `anomaly_lab.app`."""

    run: Path
    host: str
    port: int
    out: Path | None


def serve(options: Options) -> None:
    """Show the page until Ctrl-C. UserError for a run without a threshold, a port in use, and `out` in the run."""
    with bound(options.host, options.port) as listening:
        trained = load(options.run)
        judge, run = Judge(trained), trained.run.resolve()
        source = {"run": str(run), "checkpoint": of_file(best_checkpoint(trained.run))}
        out = options.out or Path("predictions") / f"app_{digest(source)[:8]}"
        if out.resolve().is_relative_to(run):
            raise UserError(f"out is {out}, in the run itself, which stays as it is: choose another directory")
        with Marks(out, source) as marks, emptied(out / UPLOADS) as uploads:
            os.environ["GRADIO_TEMP_DIR"] = str(uploads)
            host, port = listening.getsockname()[:2]
            local = ipaddress.ip_address(host).is_loopback
            tell(options.host, port, local, out)
            app = Guard(application(judge, marks, uploads), uploads, names_of(options.host) if local else None)
            # an open page holds a connection for ever: Ctrl-C waits a second for it
            config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, server_header=False)
            # Gradio prints a stack trace for each request that it can't answer
            with (out / LOG).open("a", encoding="utf-8") as log, redirect_stderr(log):
                uvicorn.Server(config).run(sockets=[listening])


def application(judge: Judge, marks: Marks, uploads: Path) -> FastAPI:
    """The page at /, and PUT /decide/NAME with an image as the body: its row as in predictions.jsonl."""
    app = FastAPI(openapi_url=None)

    @app.put(DECIDE + "{name}")
    async def decide(name: str, request: Request) -> JSONResponse:
        folder = uploads / "api"
        try:
            folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as own:
                path = Path(own) / "image"
                with path.open("wb") as file:
                    async for part in request.stream():
                        file.write(part)
                row = await run_in_threadpool(lambda: judge.row(judge.judge(path, name)))
        except OSError as error:
            if REMEDIES.get(error.errno or 0) != FULL:
                raise
            said = f"{name} could not be kept ({error.strerror}): free some space where the page keeps its files"
            return JSONResponse({"error": said}, HTTP_507_INSUFFICIENT_STORAGE)
        return JSONResponse(row, 200 if row["error"] is None else 422)

    mount(app, judge, marks, uploads / "thumbs")
    return app


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens; port 0 is any free one. UserError for a port in use and a host that is not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(
            f"host is {host}, which is no address ({error.strerror}): give one of this machine with host="
        ) from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port is free as soon as its program has ended
        try:
            listening.bind(address)
            listening.listen()
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise UserError(f"host is {host}, which is not of this machine: give an address that is, with host=") from error
            raise UserError(f"port is {port}, which can't be used ({error.strerror}): choose another one with port=") from error
        yield listening


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """An empty folder for the block; nothing of it stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder.resolve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names_of(host: str) -> frozenset[str]:
    """The names by which a browser on this machine may address a page that only this machine reaches."""
    return frozenset((host.lower(), "localhost", "127.0.0.1", "::1"))


def tell(host: str, port: int, local: bool, out: Path) -> None:
    """Print where the page is, and who can reach it."""
    name = f"[{host}]" if ":" in host else host
    print(f"open http://{name}:{port} (Ctrl-C ends it); marks: {out}", flush=True)
    if not local:
        print("everyone who reaches this port can send images and mark them: there is no password", flush=True)
