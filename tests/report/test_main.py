"""The command line of the report."""

import errno
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from fake_runs import fake_run

from anomaly_lab.errors import UserError
from anomaly_lab.report import __main__ as report
from anomaly_lab.report.__main__ import main, parse


def test_help_and_tables_need_no_torch(tmp_path: Path) -> None:
    fake_run(tmp_path / "runs/a")
    options = ["runs=runs", "gallery=none", "figures=false"]
    command = [sys.executable, "-X", "importtime", "-m", "anomaly_lab.report", *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "1 finished runs of 1" in ended.stdout
    assert (tmp_path / "runs/report/report.html").is_file()
    imported = set(re.findall(r"\| +([\w.]+)$", ended.stderr, re.M))
    assert "yaml" in imported
    assert not imported & {"torch", "lightning", "cv2", "albumentations"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no runs: add runs=DIR"),
        (["runs"], "runs is not understood"),
        (["runs=gr\udcf6n"], "'runs=gr\\udcf6n' is no text in UTF-8: rename it"),
        (["runs=a", "size=3"], "size=3 is not understood: give runs=, out=, gallery=, figures=, tables="),
        (["runs=a", "gallery=few"], "gallery is few: it must be one of one, all, none"),
        (["runs=a", "figures=yes"], "figures is yes: it must be true or false"),
        (["runs=a", "out=b", "out=c"], "out= is given 2 times"),
    ],
)
def test_a_mistake_on_the_command_line_ends_in_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse(arguments)


def test_paths_with_equals_signs_and_commas_need_no_quotes() -> None:
    options = parse(["runs=runs/2026_objective.lam=0.5,seed=1", "runs=b"])
    assert options.runs == [Path("runs/2026_objective.lam=0.5,seed=1"), Path("b")]
    assert options.out == Path("runs/2026_objective.lam=0.5,seed=1/report")


def test_the_command_ends_with_one_sentence_and_no_stack_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["report", f"runs={tmp_path / 'nowhere'}"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    fake_run(tmp_path / "a")
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        sys, "argv", ["report", f"runs={tmp_path / 'a'}", f"out={tmp_path / 'file'}", "gallery=none", "figures=false"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert "choose another directory with out=" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", "runs=a", "out=file", "gallery=none", "figures=false"])
    with pytest.raises(SystemExit):
        main()
    assert "choose another directory with out=" in capsys.readouterr().err, "a relative path, too"


def test_a_run_that_cannot_be_read_is_not_called_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = OSError(errno.ENOTCONN, "Transport endpoint is not connected", str(tmp_path / "runs/a/metrics.json"))
    monkeypatch.setattr(report, "build_report", Mock(side_effect=gone))
    monkeypatch.setattr(sys, "argv", ["report", f"runs={tmp_path}", f"out={tmp_path / 'out'}"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "runs/a/metrics.json can't be read" in said and "network" in said and "out=" not in said


def test_tables_of_ones_own_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_run(tmp_path / "runs/a")
    (tmp_path / "my_tables.py").write_text(
        "from anomaly_lab.report.tables.table import Table, plain\n"
        "def tables(records):\n"
        "    return [Table('mine', 'My own', ['runs'], [[plain(len(records.runs))]])]\n"
    )
    (tmp_path / "my_empty.py").touch()
    (tmp_path / "my_wrong.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    known = ["report", f"runs={tmp_path / 'runs'}", "gallery=none", "figures=false"]
    monkeypatch.setattr(sys, "argv", [*known, "tables=my_tables"])
    main()
    page = (tmp_path / "runs/report/report.html").read_text()
    assert re.findall(r'<section id="table-(\w+)"', page)[-1] == "mine"
    assert (tmp_path / "runs/report/tables/mine.csv").read_text() == "runs\n1\n"
    for name, sentence in (
        ("my_lost", "cannot be imported"),
        (".lost", "cannot be imported"),
        ("my_wrong", "cannot be imported (division by zero)"),
        ("my_empty", "has no function tables(records)"),
    ):
        monkeypatch.setattr(sys, "argv", [*known, f"tables={name}"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        assert f"tables={name} {sentence}" in capsys.readouterr().err
