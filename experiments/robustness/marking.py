"""Marks images on the page of `anomaly_lab.app` in a browser while something around it fails, then opens it again.

    python experiments/robustness/marking.py run=DIR images=DIR out=DIR fault=none|kill|full|gone

kill: the page's process is killed after half of the images; full: `out` has no more room from then on; gone: the run's folder
is taken away, and comes back. It prints how many marks the page showed and how many lie on disk. Status 1 if one that the page
showed is lost, or one is not whole.
"""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGES = 6
FULL = "no room for pictures"  # what the page says then
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would the page
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    run, out, fault = Path(given["run"]), Path(given["out"]), given["fault"]
    images, away = sorted(Path(given["images"]).rglob("*.png"))[:IMAGES], run.with_name("away")
    with page_of(run, out, killed=fault == "kill") as (process, page):
        drop(page, images)
        for i in range(IMAGES // 2):
            mark(page, i)
            says(page, i + 1)
        if fault == "kill":
            process.send_signal(signal.SIGKILL)
        elif fault == "full":
            fill(out)
            page.click(f"#strip button[data-at='{IMAGES // 2}']")
            page.wait_for_function("said => document.body.innerText.includes(said)", arg=FULL)
        else:
            if fault == "gone":
                run.rename(away)
            mark(page, IMAGES // 2)
            says(page, IMAGES // 2 + 1)
    shown = IMAGES // 2 + (fault in ("none", "gone"))
    if fault == "gone":
        away.rename(run)
    if fault == "full":
        (out / "filled").unlink()
    with page_of(run, out) as (_, page):
        says(page, shown)
        drop(page, images)
        mark(page, IMAGES - 1)
        says(page, shown + 1)
    rows = [json.loads(line) for line in (out / "marks.jsonl").read_text().splitlines()]
    kept = [path for kind in ("normal", "defective") for path in (out / kind).iterdir()]
    known = {image.read_bytes() for image in images}
    if len(rows) != shown + 1 or len(kept) != shown + 1 or not {path.read_bytes() for path in kept} <= known:
        sys.exit(f"{shown + 1} marks were shown, {len(rows)} lines and {len(kept)} images are on disk")
    print(f"{shown} marks shown before and after, one more made: {len(rows)} lines, {len(kept)} whole images")


@contextmanager
def page_of(run: Path, out: Path, killed: bool = False) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The page's process, and the page in a browser; Ctrl-C ends it in one sentence, unless it is `killed`."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "anomaly_lab.app", f"run={run}", "port=0", f"out={out}"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+) ", process.stdout.readline())
        if found is None:
            sys.exit(f"the page did not open: {process.communicate()[1]}")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(60_000)
            page.goto(f"http://127.0.0.1:{found[1]}/")
            page.wait_for_selector("#verdict h2")
            yield process, page
            browser.close()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        if not killed and (process.returncode != 130 or said.count("\n") != 1):
            sys.exit(f"the page ended with {process.returncode}: {said}")
    finally:
        process.kill()


def drop(page: Any, images: list[Path]) -> None:
    page.set_input_files("#drop input[type=file]", [str(image) for image in images])
    page.wait_for_function("n => document.querySelectorAll('#strip button').length === n", arg=len(images))


def mark(page: Any, at: int) -> None:
    """Look at an image of the strip, and mark it: every second one as defective."""
    page.click(f"#strip button[data-at='{at}']")
    page.wait_for_selector(f"#strip button[data-at='{at}'][aria-pressed=true]")
    page.click("#mark-defective" if at % 2 else "#mark-normal")


def says(page: Any, marks: int) -> None:
    """Wait until the tally counts so many marks."""
    said = f"of {marks} marked images"
    page.wait_for_function("said => document.querySelector('#tally').innerText.includes(said)", arg=said)


def fill(folder: Path) -> None:
    """Leave no room where `folder` lies."""
    with (folder / "filled").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(512)):
            pass


if __name__ == "__main__":
    main()
