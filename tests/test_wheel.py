"""A wheel contains the configuration, and the installed package works from any directory."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_wheel_holds_the_configuration_and_runs_from_anywhere(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (wheel,) = tmp_path.glob("*.whl")
    installed, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    elsewhere.mkdir()
    shipped = {p.relative_to(installed / "anomaly_lab" / "conf") for p in installed.glob("anomaly_lab/conf/**/*.yaml")}
    assert shipped == {p.relative_to(ROOT / "conf") for p in ROOT.glob("conf/**/*.yaml") if p.parent.name != "local"}
    beside = {
        p.relative_to(ROOT) for p in (ROOT / "anomaly_lab/report").rglob("*.*") if p.suffix in (".toml", ".html", ".css", ".js")
    }
    assert len(beside) == 6
    assert all((installed / path).is_file() for path in beside), "the page and the paper's tables"

    command = [sys.executable, "-c", "import anomaly_lab.train as t; print(t.__file__, t.CONF); t.main()"]
    composed = subprocess.run(
        [*command, "--cfg", "job", "+category=screw", "objective=amplify"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert composed.startswith(f"{installed / 'anomaly_lab' / 'train.py'} {installed / 'anomaly_lab' / 'conf'}")
    assert "name: screw" in composed
