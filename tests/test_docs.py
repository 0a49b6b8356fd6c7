"""docs/ holds: commands work or compose, options, keys and paths exist, records are complete, and the strict build passes."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Ended, Finished, in_process, write_category
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from shown_commands import (
    ROOT,
    grid,
    make_targets,
    require_make_target,
    require_options,
    require_python,
    require_reading,
    require_training,
    shown,
    trainings,
)

from anomaly_lab.errors import UserError
from anomaly_lab.inspect import __main__ as inspect
from anomaly_lab.runs import command_line
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.command_line import CONF
from anomaly_lab.search import require_searchable

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
DOCS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
ELSEWHERE = ("extending.md", "from_photographs.md", "export.md")  # their own tests run these pages
TEXT = "\n".join(text for name, text in DOCS.items() if name not in ELSEWHERE)
SINGLE = [c for c in trainings(TEXT) if not c.startswith(("-m ", "resume=")) and "trainer=gpu" not in c]
COMPOSED = [c for c in trainings(TEXT) if c.startswith("-m ") or "trainer=gpu" in c]
IN_README = shown((ROOT / "README.md").read_text(encoding="utf-8"))  # test_readme runs these
READING = [
    command
    for command in dict.fromkeys(shown(TEXT))
    if re.match(r"python -m anomaly_lab\.(evaluate|predict|calibrate|analyze|report)", command) and command not in IN_README
]
needs_mkdocs = pytest.mark.skipif(
    find_spec("mkdocs") is None or find_spec("mkdocstrings") is None,
    reason="the extra `docs` is not installed",
)


def test_every_command_of_the_docs_is_covered_by_a_test_here() -> None:
    covered = ("train", "evaluate", "inspect", "predict", "calibrate", "app", "analyze", "report", "search")  # app: tests/app
    for command in shown(TEXT):
        if command.startswith("python -m "):
            name = command.split()[2]
            assert name.removeprefix("anomaly_lab.") in covered or name in ("http.server", "hatchling"), command
    assert len(SINGLE) >= 3 and len(COMPOSED) >= 6


@pytest.mark.parametrize("command", SINGLE)
def test_a_single_training_of_the_docs_works(command: str, train: Callable[..., Ended], tmp_path: Path) -> None:
    require_training(command, train, tmp_path)


@pytest.mark.parametrize("command", COMPOSED)
def test_a_grid_of_the_docs_composes_and_makes_sense(command: str) -> None:
    """Its first job; a launcher that is not installed is left out."""
    overrides = [o for o in command.removeprefix("-m ").replace("DIR", "/images").split() if not o.startswith("+sweep=")]
    try:
        command_line.require_launcher(overrides)
    except UserError:
        overrides = [o for o in overrides if "launcher" not in o]
    chosen = {key: values[0] for key, values in grid(command).items()}
    overrides = [o for o in overrides if o.split("=")[0] not in chosen] + [f"{k}={v}" for k, v in chosen.items()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        check(compose("train", overrides=overrides, return_hydra_config=True))


@pytest.mark.parametrize("command", READING)
def test_a_command_of_the_docs_that_reads_runs_works(command: str, finished: Finished, tmp_path: Path) -> None:
    require_reading(command, finished, tmp_path)


@pytest.mark.parametrize("command", [c for c in shown(TEXT) if c.startswith("python -m anomaly_lab.inspect")])
def test_an_inspection_of_the_docs_works(command: str, tmp_path: Path) -> None:
    write_category(tmp_path / "photographs/mine", train=3, good=1, each=1)
    arguments = command.replace("FOLDER", "mine").replace("DIR", "photographs").split()[3:]
    ended = in_process(tmp_path, inspect.main, "inspect", *arguments)
    assert ended.status == 0 and list(tmp_path.glob("inspections/*/inspect.html")), ended.err + ended.out


def test_the_resume_command_of_the_docs_reaches_the_run(train: Callable[..., Ended], finished: Finished) -> None:
    (command,) = {c for c in trainings(TEXT) if c.startswith("resume=")}
    ended = train(command.replace("runs/DIRECTORY", str(finished.directory)))
    assert ended.status == 1 and "has finished already" in ended.err


@pytest.mark.parametrize("command", [c for c in shown(TEXT) if c.startswith("python -m anomaly_lab.search")])
def test_a_search_of_the_docs_could_start(command: str) -> None:
    require_searchable([a for a in command.split()[3:] if not a.startswith("trials=")])


def test_the_python_of_the_docs_works(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_python(TEXT, finished, tmp_path, monkeypatch)


def test_the_extras_that_the_docs_install_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"'anomaly_lab\[(\w+)\]'", TEXT))
    assert {"joblib", "submitit", "optuna"} <= named <= set(extras)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", make_targets(TEXT))
def test_a_make_target_of_the_docs_exists(target: str) -> None:
    require_make_target(target)


@pytest.mark.parametrize("page", DOCS)
def test_the_options_and_keys_that_a_page_names_exist(page: str) -> None:
    if page != "extending.md":  # it makes its own options
        require_options(DOCS[page])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configs = [compose("train", overrides=["+category=carpet", f"model={m}"]) for m in ("sdc", "patch_ae")]
        configs += [compose("evaluate")]
        configs += [compose("train", overrides=["+category=carpet", f"data={data}"]) for data in ("folders", "mvtec")]
    for key in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:=[^`]*)?`", DOCS[page]):
        if not key.endswith((".json", ".csv")) and any(key.split(".")[0] in config for config in configs):
            assert any(OmegaConf.select(c, key, default="absent") != "absent" for c in configs), key


@pytest.mark.parametrize("page", DOCS)
def test_the_files_that_a_page_names_exist(page: str) -> None:
    for path in re.findall(r"`((?:anomaly_lab|conf|docs|experiments|tests)/[a-z0-9_./]*)`", DOCS[page]):
        if not path.startswith("conf/local/"):  # the user's own, which git ignores
            assert (ROOT / path).exists(), path


def test_the_protocol_names_every_key_of_metrics_json_and_no_other(finished: Finished) -> None:
    rows = table_after(DOCS["protocol.md"], "The keys of `metrics.json`:")
    named = {
        key for keys, meaning in rows if not meaning.startswith("of an evaluation only") for key in re.findall(r"`(\w+)`", keys)
    }
    found = set(json.loads((finished.directory / "metrics.json").read_text()))
    assert {key for key in found if not key.startswith(("calibration_", "only_", "without_"))} == named


def test_the_protocol_names_every_file_of_a_run_and_no_other(finished: Finished) -> None:
    named = set()
    for files, _ in table_after(DOCS["protocol.md"], "## What a run leaves"):
        first, *others = re.findall(r"`([^`]+)`", files)
        named |= {first.split("/<")[0].rstrip("/"), *(f"{Path(first).parent}/{other}" for other in others)}
    run = finished.directory
    found = {path.name for path in run.iterdir() if not path.name.startswith(".") and path.name != "checkpoints"}
    found |= {f"checkpoints/{path.name}" for path in (run / "checkpoints").iterdir()}
    assert found <= named
    assert named - found <= {"error.txt", "source.json", "analysis.json", "checkpoints/previous.ckpt"}, (
        "a finished run need not have these"
    )


def table_after(text: str, line: str) -> list[tuple[str, str]]:
    """The first two cells of each row of the first table after a line."""
    rows = re.findall(r"^\|(.+?)\|(.+?)\|", text.split(line, 1)[1].split("\n\n|", 1)[1].split("\n\n")[0], flags=re.MULTILINE)
    return [(first.strip(), second.strip()) for first, second in rows[1:]]


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """The strict build of the documentation in `root`."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@needs_mkdocs
def test_the_strict_build_passes_and_its_site_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    built = build(ROOT, tmp_path)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(DOCS)
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", page.read_text(encoding="utf-8"))
        loaded += re.findall(r"<link\b[^>]*\bhref=[\"']?([^\"' >]+)", page.read_text(encoding="utf-8"))
        assert loaded and not [url for url in loaded if re.match(r"(https?:)?//", url)], page
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"(url\([\"']?|@import\s+[\"'])(https?:)?//", style.read_text(encoding="utf-8")), style


@needs_mkdocs
def test_the_strict_build_fails_for_dead_links_and_missing_anchors_and_docstrings(tmp_path: Path) -> None:
    (tmp_path / "anomaly_lab").mkdir()
    (tmp_path / "anomaly_lab" / "__init__.py").write_text('"""A room."""\n')
    methods = "".join(f"    def {name}(self):\n        pass\n" for name in ("method", "_own"))
    (tmp_path / "anomaly_lab" / "module.py").write_text(f"class Bare:\n{methods}\ndef bare():\n    pass\n")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "hooks.py", tmp_path / "docs")
    config = re.sub(r"^  - \w+\.md\n", "", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(config)
    (tmp_path / "README.md").write_text("# Here\n")
    links = ["missing.md", "#nowhere", "../missing.md", "../README.md#nowhere", "../README.md#here"]
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n" + "\n".join(f"[link]({link})" for link in links))
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode == 1
    warnings = [line for line in built.stderr.splitlines() if line.startswith("WARNING")]
    blamed = ["'missing.md'", "'#nowhere'", "../missing.md", "../README.md#nowhere"]
    blamed += ["anomaly_lab.module ", "module.Bare ", "module.Bare.method ", "module.bare "]
    for what in blamed:
        assert sum(what in line for line in warnings) == 1, (what, warnings)
    assert len(warnings) == len(blamed)
