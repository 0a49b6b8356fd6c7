"""Run by a Python that has anomalib: export one of its models to OpenVINO, or decide about a folder of images with the export.

    python of_anomalib.py export patchcore NORMAL_FOLDER MODEL_FOLDER
    python of_anomalib.py decide MODEL_FOLDER/model.xml IMAGES rows.jsonl

The weights are random where anomalib can't download its own: they change what is decided, not how long it takes. PatchCore
remembers a tenth of the patches of the normal images, its default.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SIZE = (256, 256)  # of both models
LIMIT = 16 * 10**9  # bytes


def patchcore(normal: Path) -> Any:
    """WideResNet-50 with its default layers, and a bank of the images' patches."""
    from anomalib.data.utils import read_image
    from anomalib.models import Patchcore

    model = Patchcore(pre_trained=False)
    model.model.train()
    with torch.no_grad():
        for path in sorted(normal.iterdir()):
            model.model(model.pre_processor(read_image(path, as_tensor=True)[None]))
        model.model.subsample_embedding(model.coreset_sampling_ratio)
    return model


def efficient_ad(normal: Path) -> Any:
    """EfficientAD-S; its statistics are the initial ones."""
    from anomalib.models import EfficientAd

    return EfficientAd(model_size="small")


MODELS: dict[str, Callable[[Path], Any]] = {"patchcore": patchcore, "efficient_ad": efficient_ad}


def export(name: str, normal: Path, out: Path) -> None:
    """Write OUT/model.xml for images of `SIZE`."""
    # without a limit the choice of PatchCore's bank took 24 GB of memory and was stopped; with it, it ends
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    torch.manual_seed(0)
    model = MODELS[name](normal).eval()
    # one image at a time: with its own dynamic shapes, version 2.7 exports a fixed batch of two
    print(model.to_openvino(out, input_size=SIZE, onnx_kwargs={"dynamic_shapes": None}))


def decide(model: Path, images: Path, rows: Path) -> None:
    """A row for each image as it comes, with anomalib's own inferencer. It takes images of the export's size alone."""
    import cv2
    from anomalib.data.utils import read_image
    from anomalib.deploy import OpenVINOInferencer

    inferencer = OpenVINOInferencer(model, device="CPU")
    with rows.open("w", buffering=1) as file:
        for path in sorted(images.iterdir()) if images.is_dir() else [images]:
            began = time.perf_counter()
            image = read_image(path)
            if image.shape[:2] != SIZE:
                image = cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
            found = inferencer.predict(image)
            score = float(found.pred_score.ravel()[0])
            file.write(json.dumps({"path": str(path), "score": score, "ms": 1000 * (time.perf_counter() - began)}) + "\n")


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    if command == "export":
        export(given[0], Path(given[1]), Path(given[2]))
    else:
        decide(*map(Path, given))
