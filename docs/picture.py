"""README's picture, made from a finished run on the embedded data: python docs/picture.py RUN_DIR [PICTURE]

The first image of each of the first kinds in alphabetical order, hits and misses alike, as the run's own figures show them.
"""

import sys
from pathlib import Path

import cv2

from anomaly_lab.calibration.levels import detect
from anomaly_lab.data.folder import first_of_each_kind
from anomaly_lab.runs.trained import load
from anomaly_lab.scored import score
from anomaly_lab.show import figures
from anomaly_lab.show.gallery import example

KINDS = 5  # rows of the picture
WIDTH = 830  # pixels: a page of README shows no more


def main(run: Path, picture: Path) -> None:
    """Draw the picture of a run. Exits where the run is not on the embedded data."""
    trained = load(run)
    config, module = trained.config, trained.module
    if config.data.name != "synthetic":
        sys.exit("only pictures of the embedded data are ours to show")
    threshold, min_area = float(module.threshold), int(module.hparams["min_area"])
    first = first_of_each_kind(trained.data().test, KINDS)
    examples = [example(scored, mask=detect(scored.heatmap, threshold, min_area)) for scored in score(module, first)]
    title = f"{config.data.name} {config.category.name}, objective {config.objective.name}, seed {config.seed}"
    figures.save(figures.detections(examples, threshold, title), picture)
    drawn = cv2.imread(str(picture))
    small = cv2.resize(drawn, (WIDTH, round(WIDTH * drawn.shape[0] / drawn.shape[1])), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(picture), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/carpet.png"))
