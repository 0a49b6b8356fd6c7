"""Cases of gradients in bfloat16, whose kernels leave memory unwritten on some processors."""

from typing import Any

from cases_images import plain
from trial import Case, Command, accepted, every, train

BF16 = ("trainer.precision=bf16-mixed", "data.steps_per_epoch=3", "batch_size=2")


def well(ended: Any) -> str:
    return "" if ended[-1].status == 0 else f"status {ended[-1].status}"


FINITE = every(
    accepted(steps=3, pixel_auroc=lambda value: value is not None), lambda e: "nan" if "loss nan" in e[-1].out else ""
)
SOURCE = {"convolutions": "pytorch 25101", "scan": "oneDNN 6035"}
KINDS = {
    "gradients from a kernel that leaves memory unwritten": [
        *(
            Case(
                f"bf16_{name}", lambda here: None, (Command("gradients.py", (name,)),), "as float64", well, SOURCE.get(name, "")
            )
            for name in ("convolutions", "scan", "networks")
        ),
        *(
            Case(" ".join(more), plain(train=3, good=0, bad=1), (train("plain", *BF16, *more),), "finite", FINITE)
            for more in (
                ("model=tiny", "image_size=512"),
                ("model=tiny", "image_size=512", "data.train_size=256"),
                ("model=sdc_quarter", "model.width=.125", "data.train_size=128", "image_size=128"),
            )
        ),
    ]
}
