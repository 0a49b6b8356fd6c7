"""The studies of experiments/robustness, whose scripts import each other by name."""

import sys
from pathlib import Path

ROBUSTNESS = Path(__file__).parents[2] / "experiments" / "robustness"
sys.path.insert(0, str(ROBUSTNESS))
