"""data.download=true: a published set of images, loaded from its publisher, checked and unpacked into data.root.

The record `archive` in conf/data/NAME.yaml has: url, the address; sha256, the checksum; gb, about how large it is; licence;
page, the publisher's own; inside, the folder in the archive that holds the categories, "" if there is none.
"""

import hashlib
import http.client
import logging
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from anomaly_lab.data.unpack import needed, unpack
from anomaly_lab.errors import UserError
from anomaly_lab.progress import bar

log = logging.getLogger(__name__)
CHUNK = 1 << 20
ATTEMPTS = 5  # in a row that bring nothing new
TIMEOUT = 60.0  # seconds of silence
PAUSE = 2.0  # seconds after a failed attempt; twice as long after each further one
MB = 1_000_000
LARGEST = 10  # times its size: what an archive of images may hold; those of bitmaps shrink to a fifth
GONE = (404, 403, 410)


def download(root: Path, category: str, archive: Mapping[str, Any]) -> None:
    """Load and unpack a set into `root`, unless the folder of the category is there. What lies in `root` stays.

    Processes that start together load it once. A download that was cut off goes on. The licence is logged first.
    UserError where the address is not reached or has another file, and for an archive that may not be unpacked.
    """
    loaded = root / f".{archive['sha256'][:16]}.loaded"  # so that a misspelt category loads nothing again
    if (root / category).is_dir() or loaded.exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".download.lock"):
        if loaded.exists():  # another process has just done it
            return
        log.warning(
            "these images are published under %s, see %s: by using them you accept that. %.1f GB are loaded from %s",
            *(archive["licence"], archive["page"], archive["gb"], archive["url"]),
        )
        packed = loaded.with_suffix(".part")
        needed(2 * archive["gb"] - _size(packed) / 1e9, root)  # packed and unpacked
        _load(archive["url"], packed, archive["page"])
        _require_checksum(packed, archive)
        _place(packed, root, archive)
        loaded.touch()


def _load(url: str, path: Path, page: str) -> None:
    """Load a file to `path`, going on where an earlier attempt ended. UserError where that fails several times in a row."""
    if not url.startswith(("https://", "http://")):
        raise UserError(f"data.archive.url is {url}: it must begin with https://")
    failures = 0
    with bar("Loading (MB)") as update:
        while True:
            before = _size(path)
            try:
                if _attempt(url, path, update):
                    return
                reason = "the connection broke off"
            except urllib.error.HTTPError as error:
                if error.code in GONE:
                    remedy = f"look for the new address on {page}, and give it with data.archive.url=URL"
                    raise UserError(f"{url} is gone (HTTP {error.code}): {remedy}") from error
                reason = f"HTTP {error.code}"
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
                reason = str(getattr(error, "reason", "") or error) or type(error).__name__
            failures = 1 if _size(path) > before else failures + 1
            if failures >= ATTEMPTS:
                raise UserError(f"{url} can't be loaded ({reason}): check the network; the same command goes on from here")
            time.sleep(PAUSE * 2 ** (failures - 1))


def _attempt(url: str, path: Path, update: Any) -> bool:
    """Load what is missing, as long as the connection lasts; whether the file is complete."""
    start = _size(path)
    request = urllib.request.Request(
        url, headers={"User-Agent": "anomaly_lab"} | ({"Range": f"bytes={start}-"} if start else {})
    )
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{start}":  # there is nothing after these bytes
            return True
        if error.code == 416:  # the file there is shorter, so it is another one
            path.unlink(missing_ok=True)
            return False
        raise
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if not goes_on:  # the server sends all of it
            start = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        done = start
        with path.open("ab" if goes_on else "wb") as file:
            while block := response.read1(CHUNK):
                file.write(block)
                done += len(block)
                update(done // MB, None if total is None else total // MB)
    return total is None or done >= total


def _require_checksum(path: Path, archive: Mapping[str, Any]) -> None:
    """UserError, and the file is removed, unless it is the one that the record names."""
    digest, done, size = hashlib.sha256(), 0, _size(path)
    with path.open("rb") as file, bar("Checking (MB)") as update:
        while block := file.read(CHUNK):
            digest.update(block)
            done += len(block)
            update(done // MB, size // MB)
    if (found := digest.hexdigest()) != archive["sha256"]:
        path.unlink()
        raise UserError(
            f"{archive['url']} has another file than the known one: its sha256 is {found}, not {archive['sha256']}. Try again; "
            f"if {archive['page']} has a new version, give its checksum with data.archive.sha256=…"
        )


def _place(packed: Path, root: Path, archive: Mapping[str, Any]) -> None:
    """Unpack into a folder of its own, then move to `root` what is not there yet, then remove the archive."""
    fresh = packed.with_suffix(".unpacked")
    shutil.rmtree(fresh, ignore_errors=True)  # from an attempt that was cut off
    try:
        with bar("Unpacking (MB)") as update:
            unpack(packed, fresh, LARGEST * _size(packed), lambda done: update(done // MB, None))
        inside = fresh / archive["inside"]
        if not inside.is_dir():
            raise UserError(
                f"{archive['url']} has no folder {archive['inside']}: set data.archive.inside, or unpack it by hand"
            )
        for path in sorted(inside.iterdir()):
            if not (root / path.name).exists():
                path.rename(root / path.name)
        packed.unlink()  # last: a process that is killed before unpacks again
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
