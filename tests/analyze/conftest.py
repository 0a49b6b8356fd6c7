"""Maps whose properties are known, shared with experiments/projection."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments" / "projection"))
