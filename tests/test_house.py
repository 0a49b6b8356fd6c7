"""The house stays small and goes one way: sizes, README's limits, a test for each module, import contracts."""

import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "anomaly_lab"
# modules that others' tests cover: package files, and commands that tests/test_<command>.py run
COVERED = {"__init__", "__main__"}
RENAMED = {"inspect": "inspection"}  # a folder of tests is a package of its own: `inspect` is Python's


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def oversized(package: Path) -> list[str]:
    """What breaks the limits: 12 files and 12 folders at the top (commands apart), modules of 250 lines, a median of 120."""
    found = []
    files = [path for path in package.glob("*.py") if 'if __name__ == "__main__":' not in path.read_text(encoding="utf-8")]
    rooms = [path for path in package.iterdir() if path.is_dir() and any(path.glob("*.py"))]
    folders = [path for path in rooms if not (path / "__main__.py").is_file()]
    sizes = {path: lines(path) for path in package.rglob("*.py")}
    if len(files) > 12:
        found.append(f"{len(files)} files at the top")
    if len(folders) > 12:
        found.append(f"{len(folders)} folders at the top")
    found += [f"{path.relative_to(package)} has {size} lines" for path, size in sizes.items() if size > 250]
    if sizes and statistics.median(sizes.values()) >= 120:
        found.append(f"the median module has {statistics.median(sizes.values())} lines")
    return found


def test_the_package_keeps_its_limits() -> None:
    assert not oversized(PACKAGE)


def test_each_limit_can_be_broken(tmp_path: Path) -> None:
    for i in range(13):
        (tmp_path / f"module_{i}.py").write_text("x = 1\n" * 130)
    for i in range(13):
        (tmp_path / f"room_{i}").mkdir()
        (tmp_path / f"room_{i}/__init__.py").write_text("\n")
    (tmp_path / "room_0/long.py").write_text("x = 1\n" * 251)
    found = " ".join(oversized(tmp_path))
    for broken in ("13 files", "13 folders", "long.py has 251 lines", "median module has 130"):
        assert broken in found


def too_long(readme: str) -> list[str]:
    """What breaks README's limits: 110 lines, 900 words outside of code."""
    words = len(re.sub(r"```.*?```", "", readme, flags=re.DOTALL).split())
    rows = len(readme.splitlines())
    return [f"{n} {what}" for n, what, most in ((rows, "lines", 110), (words, "words", 900)) if n > most]


def test_readme_keeps_its_limits() -> None:
    assert not too_long((ROOT / "README.md").read_text(encoding="utf-8"))
    assert too_long("word\n" * 901) == ["901 lines", "901 words"]


def test_each_module_has_its_test() -> None:
    """tests/<room>/test_<module>.py, so that a test is found by its module's name."""
    missing = []
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        rooms = {
            ROOT / "tests" / place.parent,
            ROOT / "tests" / RENAMED.get(place.parts[0], place.parts[0]),
        }  # the tests of a room's folders may lie together
        names = {f"test_{path.stem}.py", f"test_{path.parent.name}.py"}  # the modules of a small room may share their test
        if path.stem not in COVERED and not any((room / name).is_file() for room in rooms for name in names):
            missing.append(place.as_posix())
    assert not sorted(missing)


LINT = Path(sys.executable).with_name("lint-imports")


@pytest.mark.skipif(not LINT.is_file(), reason="import-linter is not installed")
@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("scoring/errors.py", "import anomaly_lab.runs.lock", "One direction"),
        ("objectives.py", "import rich", "The method knows no screen"),
        ("data/folder.py", "import hydra", "Data know no configuration"),
    ],
)
def test_an_import_against_the_direction_breaks_its_contract(
    module: str, statement: str, contract: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    copy = shutil.copytree(PACKAGE, tmp_path / "anomaly_lab", ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    ended = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert re.search(rf"{contract}.* BROKEN", ended.stdout)
