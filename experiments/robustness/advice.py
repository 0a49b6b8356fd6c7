"""Does every option of `wandb sync` that the project advises exist? Status 1 and the options if not."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
known = subprocess.run([sys.executable, "-m", "wandb", "sync", "--help"], capture_output=True, text=True, check=True).stdout
unknown = []
for folder in ("anomaly_lab", "conf", "docs", "README.md"):
    paths = [ROOT / folder] if (ROOT / folder).is_file() else (ROOT / folder).rglob("*.*")
    for path in (path for path in paths if path.suffix in (".py", ".md", ".yaml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "wandb sync" in line:
                options = re.findall(r"--[a-z][a-z-]*", line)
                unknown += [f"{path.relative_to(ROOT)}: {option}" for option in options if option not in known]
print("\n".join(unknown) or "every option exists")
sys.exit(bool(unknown))
