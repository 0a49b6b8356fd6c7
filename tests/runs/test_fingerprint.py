"""The digests of a run's configuration and code: they change with everything that can change the run's numbers."""

import ast
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from anomaly_lab.files import digest
from anomaly_lab.runs import fingerprint
from anomaly_lab.runs.environment import HERE

COUNTED = (
    "__init__", "module", "objectives", "scored", "results", "build", "files",
    "calibration/rules", "corruption/local", "data/folder", "data/cache", "data/synthetic/reader", "metrics/pooled",
    "networks/sdc_autoencoder", "networks/fast/folding", "pipeline/train", "pipeline/assembly", "pipeline/ending",
    "scoring/heatmap", "scoring/errors", "training/callbacks", "training/checkpoints", "training/schedule", "training/trainer",
    "runs/choices", "runs/machine", "runs/resume", "runs/trained",
)  # fmt: skip
UNCOUNTED = (
    "show/figures", "show/screen", "report/__main__", "report/read/collect", "report/tables/table", "report/pictures/plots",
    "training/progress_bar", "progress", "errors", "train", "evaluate", "search", "detector", "pipeline/evaluate",
    "inspect/flips", "analyze/spectrum", "app/page", "export", "exported/graph", "data/download", "data/unpack",
    "runs/changes", "runs/checks", "runs/command_line", "runs/directory", "runs/environment", "runs/fingerprint",
    "runs/job", "runs/lock",
)  # fmt: skip


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the package, and its digest."""
    package = tmp_path_factory.mktemp("copy") / "anomaly_lab"
    shutil.copytree(HERE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package, fingerprint.code(package)


@pytest.mark.parametrize("name", [*COUNTED, *UNCOUNTED])
def test_the_code_s_digest_changes_with_a_module_that_decides_numbers_and_no_other(copied: tuple[Path, str], name: str) -> None:
    package, before = copied
    module = package / f"{name}.py"
    source = module.read_text()
    try:
        module.write_text(f"{source}\nADDED = 1\n")
        assert (fingerprint.code(package) != before) == (name in COUNTED)
    finally:
        module.write_text(source)
    assert fingerprint.code(package) == before


def test_every_room_is_looked_at_above() -> None:
    rooms = {path.parent.name for path in HERE.glob("*/__init__.py")}
    assert rooms <= {name.split("/")[0] for name in (*COUNTED, *UNCOUNTED)}


def test_a_new_room_and_a_new_module_count(copied: tuple[Path, str]) -> None:
    package, before = copied
    for name in ("new_room/__init__.py", "runs/new_module.py", "shown.py"):  # "shown" is not "show"
        new = package / name
        new.parent.mkdir(exist_ok=True)
        new.write_text("ADDED = 1\n")
        assert fingerprint.code(package) != before
        new.unlink()


def test_everything_that_does_not_count_exists() -> None:
    for part in fingerprint.UNCOUNTED:
        assert (HERE / part).is_dir() or (HERE / f"{part}.py").is_file(), part


def imports(module: Path) -> set[str]:
    """The modules of this package that `module` imports, as "runs/lock"."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "anomaly_lab":
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("anomaly_lab.")}
    paths = {name.removeprefix("anomaly_lab").strip(".").replace(".", "/") for name in names}
    return {path for path in paths if (HERE / f"{path}.py").is_file()}


def test_no_training_imports_what_belongs_to_other_commands() -> None:
    found, todo = set(), {"train", "pipeline/train"}
    while todo:
        found |= todo
        todo = {other for name in todo for other in imports(HERE / f"{name}.py")} - found
    assert {"pipeline/train", "module", "results", "show/gallery"} <= found
    others = ("report", "search", "evaluate", "detector", "pipeline/evaluate", "runs/changes")
    assert not [name for name in found if name in others or name.startswith("report/")]


@pytest.mark.parametrize("name", ["mine.py", "mine/part.py"])
def test_an_extension_counts_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def digest_in(folder: str, source: str) -> str:
        """The digest with the user's module `mine`, or a package of that name, in `folder`."""
        module = tmp_path / folder / name
        module.parent.mkdir(parents=True, exist_ok=True)
        if name != "mine.py":
            (module.parent / "__init__.py").touch()
        module.write_text(source)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(tmp_path / folder))
            return fingerprint.code(tmp_path / "no_package")

    plain = digest_in("a", "X = 1\n")
    monkeypatch.setenv("ANOMALY_LAB_EXTENSIONS", "mine,not_installed,sys")
    first = digest_in("a", "X = 1\n")
    assert first != plain
    assert digest_in("b", "X = 1  # here\n") == first
    assert digest_in("c", "X = 2\n") != first


def test_comments_docstrings_and_layout_do_not_count() -> None:
    source = 'def f(x: int) -> int:\n    """Say."""\n    # why\n    return x + 1\n'
    laid_out = 'def f(x: int) -> int:\n\n    """Say more."""\n    return (x\n        + 1)\n'
    assert fingerprint.meaning(source) == fingerprint.meaning(laid_out)
    assert fingerprint.meaning(source) != fingerprint.meaning(source.replace("+ 1", "+ 2"))


def test_another_release_of_torch_counts_and_another_build_of_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest_with(version: str | None) -> str:
        monkeypatch.setattr(fingerprint, "version_of", lambda package: version if package == "torch" else None)
        return fingerprint.code(tmp_path)

    assert digest_with("2.13.0+cpu") == digest_with("2.13.0+cu126") == digest_with("2.13.0")
    assert len({digest_with("2.13.0"), digest_with("2.13.1"), digest_with(None)}) == 3


def test_keys_that_do_not_change_the_results_do_not_count() -> None:
    config = {"seed": 0, "data": {"name": "mvtec", "root": "a", "num_workers": 0}, "logger": None, "category": "???"}
    same = {"seed": 0, "data": {"name": "mvtec", "root": Path.cwd() / "a", "num_workers": 3}, "logger": {"a": "${hydra:x}"}}
    a, b = OmegaConf.create(config), OmegaConf.create({**same, "category": "???", "resume": "x"})
    b.data.root = str(b.data.root)
    assert digest(fingerprint.normalised(a)) == digest(fingerprint.normalised(b))
    assert fingerprint.differences(a, b) == []
    for key in ("data.cache", "data.cache.gib", "data.root", "logger.wandb.project"):
        assert fingerprint.is_below(key, fingerprint.NEUTRAL)
    for key in ("data.contrast", "data", "logger_of_mine", "seed"):
        assert not fingerprint.is_below(key, fingerprint.NEUTRAL)
    b.seed, b.data.root = 1, "b"
    assert fingerprint.differences(a, b) == ["seed is 0 there, not 1"], "the images have a digest of their own"
    assert fingerprint.differences(a, b, ["seed"]) == ["seed is 0 there, not 1"]
    assert a.logger is None and b.logger is not None, "the configurations themselves stay as they are"
