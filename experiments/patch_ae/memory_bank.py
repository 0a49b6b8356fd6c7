"""What the memory bank costs: processor seconds of one thread and MiB, for 1,000 images at 512².

    python experiments/patch_ae/memory_bank.py        # a few minutes; writes memory_bank.md

Encoding and search are measured on a few images and multiplied: each image costs the same. Where faiss-cpu is installed (it is
no dependency), its exact and its inverted-file search run beside ours.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from anomaly_lab.networks.patch_autoencoder import PatchFeatures
from anomaly_lab.scoring.coreset import greedy_coreset, k_means, nearest, random_subset

IMAGES, MEASURED, SIZE, CANDIDATES = 1000, 4, 8000, 40_000


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time, which other programs on the machine don't change."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = PatchFeatures(encoder="random", encoder_file=None, neighbourhood=3).eval().to(memory_format=torch.channels_last)
    images = [torch.rand(1, 3, 512, 512).contiguous(memory_format=torch.channels_last) for _ in range(MEASURED)]
    rows = Rows()
    with torch.inference_mode():
        for precision in ("bf16", "float32"):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                network.features(network.encode(images[0]))
                cost, maps = seconds(lambda: [network.features(network.encode(X)) for X in images])
            rows.append((f"encoding 1,000 images, {precision}", cost * IMAGES / MEASURED, ""))
        vectors = torch.cat([m[0].flatten(1).T for m in maps])
        candidates = vectors[torch.randint(len(vectors), (CANDIDATES,))] + 0.01 * torch.randn(CANDIDATES, vectors.shape[1])
        generator = torch.Generator().manual_seed(0)
        mib = SIZE * vectors.shape[1] * 4 / 2**20
        for name, reduce in (("random", random_subset), ("greedy coreset", greedy_coreset), ("k-means", k_means)):
            cost, bank = seconds(lambda reduce=reduce: reduce(candidates, SIZE, generator))
            rows.append((f"{SIZE:,} of {CANDIDATES:,} vectors, {name}", cost, f"{mib:.1f} MiB, candidates {5 * mib:.1f} MiB"))
        cost, _ = seconds(lambda: [nearest(m[0].flatten(1).T, bank) for m in maps])
        rows.append((f"exact search for 1,000 images, {len(vectors) // MEASURED:,} vectors each", cost * IMAGES / MEASURED, ""))
        rows += with_faiss(maps, bank)
    lines = ["| what | processor seconds, one thread | memory |", "|---|---|---|"]
    lines += [f"| {what} | {cost:.1f} | {memory} |" for what, cost, memory in rows]
    (Path(__file__).parent / "memory_bank.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


class Rows(list[tuple[str, float, str]]):
    """The table's rows, shown as they come."""

    def append(self, row: tuple[str, float, str]) -> None:
        super().append(row)
        print(row, flush=True)


def with_faiss(maps: list[torch.Tensor], bank: torch.Tensor) -> list[tuple[str, float, str]]:
    try:
        import faiss
    except ImportError:
        return []
    faiss.omp_set_num_threads(1)
    found = []
    queries = [m[0].flatten(1).T.contiguous().numpy() for m in maps]
    exact = faiss.IndexFlatL2(bank.shape[1])
    quantizer = faiss.IndexFlatL2(bank.shape[1])
    for name, index in (("exact", exact), ("inverted lists, 8 of 90", faiss.IndexIVFFlat(quantizer, bank.shape[1], 90))):
        if index is not exact:
            index.nprobe = 8
        index.train(bank.numpy())
        index.add(bank.numpy())
        cost, _ = seconds(lambda index=index: [index.search(q, 1) for q in queries])
        found.append((f"search by faiss {faiss.__version__}, {name}", cost * IMAGES / MEASURED, ""))
    return found


if __name__ == "__main__":
    main()
