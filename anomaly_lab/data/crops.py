"""How large training crops are and how many make a batch, where the configuration leaves it to the working size."""

FEW, MANY = 4, 8  # crops a batch: of more than `LARGE` pixels a side, and of fewer
LARGE = 160


def crop_size(requested: int | str, image_size: int) -> int:
    """Side in pixels of the training crops: `requested`, 0 for whole images, or for "auto" half of the working size
    `image_size`, as a multiple of the network's stride of 8 and at least 32."""
    return max(32, 8 * round(image_size / 16)) if requested == "auto" else int(requested)


def batch_size(requested: int | str, crop: int, image_size: int) -> int:
    """Crops of side `crop` (0: whole images of `image_size`) that make a batch: `requested`, or for "auto" `MANY` and, of
    larger ones, `FEW`."""
    if requested != "auto":
        return int(requested)
    return FEW if (crop or image_size) > LARGE else MANY
