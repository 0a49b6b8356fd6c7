"""README's picture, made from a finished run on the embedded data: python docs/picture.py RUN_DIR [PICTURE]

The first image of each of the first kinds in alphabetical order, hits and misses alike, as the run's own figures show them.
"""

import sys
from pathlib import Path

import cv2
import torch
from omegaconf import OmegaConf

from anomaly_lab.module import AnomalyModule
from anomaly_lab.pipeline.assembly import datamodule
from anomaly_lab.show import figures
from anomaly_lab.show.gallery import Gallery

KINDS = 5  # rows of the picture
WIDTH = 830  # pixels: a page of README shows no more


def main(run: Path, picture: Path) -> None:
    config = OmegaConf.load(run / "config.yaml")
    if config.data.name != "synthetic":
        sys.exit("only pictures of the embedded data are ours to show")
    data = datamodule(config)
    data.prepare_data()
    data.setup()
    module = AnomalyModule.load_from_checkpoint(run / "checkpoints" / "best.ckpt", map_location="cpu").eval()
    gallery = Gallery(run, "", data.test)
    first = {sample.defect: i for i, sample in reversed(list(enumerate(data.test)))}
    examples = []
    with torch.inference_mode():
        for i in first.values():
            batch = data.test_dataloader().dataset[i]
            examples.append(gallery.example(module, i, module.detect(batch), batch))
    examples = sorted(examples, key=lambda example: example["title"])[:KINDS]
    title = f"{config.data.name} {config.category.name}, objective {config.objective.name}, seed {config.seed}"
    figures.save(figures.detections(examples, float(module.threshold), title), picture)
    drawn = cv2.imread(str(picture))
    small = cv2.resize(drawn, (WIDTH, round(WIDTH * drawn.shape[0] / drawn.shape[1])), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(picture), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/carpet.png"))
