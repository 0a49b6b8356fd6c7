"""Images to be scored, with their ground truth: the category's test images, and held-out normal images."""

from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from anomaly_lab.data.folder import Sample
from anomaly_lab.data.images import read_image, read_mask
from anomaly_lab.data.preprocessing import Preprocessing, to_tensor


class StoredImages(Dataset):
    """Whole images, prepared for the network one at a time; their sizes may differ.

    `images[i]` →

    - "X": (3, h, w) float32 in [0, 1], at the working scale.
    - "size": (H, W) of the stored image.
    - "truth": (H, W) bool, True where a pixel is defective; all False for a normal image; None for a defective image
      without a mask.
    - "index": i.

    UserError for a file that cannot be read, as in `read_image` and `read_mask`.
    """

    def __init__(self, samples: Sequence[Sample], preprocessing: Preprocessing) -> None:
        self.samples, self.preprocessing = list(samples), preprocessing

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, object]:
        sample = self.samples[i]
        stored = read_image(sample.path)
        size = (stored.shape[0], stored.shape[1])
        truth = None
        if sample.mask is not None:
            truth = torch.from_numpy(read_mask(sample.mask, size))
        elif sample.label == 0:
            truth = torch.zeros(size, dtype=torch.bool)
        return {"X": to_tensor(self.preprocessing(stored)), "size": size, "truth": truth, "index": i}
