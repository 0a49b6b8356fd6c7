"""The LightningModule: network, objective and scoring tied together, thin; what they do stands in their own modules.

All its arguments are primitive, so a checkpoint is data that loads with `weights_only=True` and is complete: network,
preprocessing, scoring parameters and threshold are in it.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from anomaly_lab.build import TARGET, build
from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.scoring import heatmap as scoring_heatmap
from anomaly_lab.scoring import scorers
from anomaly_lab.training.schedule import time_share, warmup_cosine


class AnomalyModule(L.LightningModule):
    """F with its objective, trained on (X̂, M, X) and used as image → heatmap and score.

    - `network`, `objective`: records for `anomaly_lab.build`; an objective without `_target_` asks for nothing. A network may
      have `begin`, which is given normal training images where a run begins; `learning_rate`, a parameter's name → factor;
      `reconstructs`, false where what it gives is no image; and what a detector needs, see `scorers.FeatureScorer`.
    - `optimizer`: lr, weight_decay, warmup (share of the training).
    - `scoring`: error, sigma (pixels at the working scale), tile (pixels, 0 for whole images), pooling; where `detector` is a
      record for `anomaly_lab.build`, heatmaps are what that makes of the network's features, instead of an error of F(X). And
      train_size, pixels of the training crops, for the record.
    - `preprocessing`: arguments of `anomaly_lab.data.preprocessing.Preprocessing`, kept for prediction.
    - `mean_color`: of the training images as the network sees them, for the trivial reference.
    - `min_area`: pixels of the stored image below which a component is no defect (a_min in section 4.2).
    - `calibration`: record of the rule that gives the threshold, for `anomaly_lab.build`. Once calibrated, it also holds
      `levels`: the quiet levels of the held-out normal images, from which `rules.p_value` follows.
    """

    threshold: Tensor
    mean_color: Tensor
    last_proxy: Tensor

    def __init__(
        self,
        network: dict[str, Any],
        objective: dict[str, Any],
        optimizer: dict[str, float],
        scoring: dict[str, Any],
        preprocessing: dict[str, Any],
        mean_color: list[float],
        min_area: int,
        calibration: dict[str, Any],
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = build(network).to(memory_format=torch.channels_last)
        self.for_inference = ForInference()
        self.objective = build(objective) if TARGET in objective else None
        self.reconstructs = getattr(self.network, "reconstructs", True)  # else there is no F(X)
        self.scorer = scorers.make(scoring, self.reconstructs)
        if self.trainable and self.objective is None:
            raise ValueError(f"objective is {objective['name']}, but the model has weights to train: leave objective= out")
        if self.objective is not None and not self.trainable:
            raise ValueError(f"objective is {objective.get('name')}, but the model has nothing to train: leave objective= out")
        self.register_buffer("threshold", torch.tensor(math.nan))  # set by calibration, to one of the heatmaps' values
        self.register_buffer("mean_color", torch.tensor(mean_color).view(3, 1, 1), persistent=False)
        self.register_buffer("last_proxy", torch.tensor(math.nan))  # of the last validation, known after a resume too
        self.proxy = PixelMetrics()
        self.squares = torch.zeros(3, dtype=torch.float64)
        self.clean: tuple[Tensor, Tensor] | None = None  # the last validation image and F of it

    def forward(self, X: Tensor) -> Tensor:
        """F(X): (B, 3, H, W) in [0, 1] → the same; outside of training from a copy made for inference."""
        X = X.contiguous(memory_format=torch.channels_last)
        if self.training or torch.is_grad_enabled():
            return self.network(X)
        return self.for_inference(self.network, X.device.type)(X)

    @property
    def trainable(self) -> bool:
        """Whether there is anything to train."""
        return any(p.requires_grad for p in self.network.parameters())

    # ---- training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        output = self(X_hat)
        with torch.autocast(X.device.type, enabled=False):
            loss = self.objective(output.float(), X, X_hat, M)  # type: ignore[misc]
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; the learning rate rises linearly over `warmup` and falls to zero along a cosine."""
        options = self.hparams["optimizer"]
        rate = getattr(self.network, "learning_rate", lambda name: 1.0)
        named = [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]
        groups = []
        for factor in sorted({rate(name) for name, _ in named}):
            own, lr = [p for name, p in named if rate(name) == factor], factor * options["lr"]
            rest = [p for p in own if p.ndim <= 1]  # normalisation and biases: decay would shift their meaning
            groups.append({"params": [p for p in own if p.ndim > 1], "weight_decay": options["weight_decay"], "lr": lr})
            groups.append({"params": rest, "weight_decay": 0.0, "lr": lr})
        optimizer = torch.optim.AdamW(groups, lr=options["lr"], fused=True)  # one pass over the weights, on every device

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(self.progress, options["warmup"]))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def progress(self) -> float:
        """How much of the training is done, in [0, 1]: by steps or, where `max_time` ends it earlier, by time."""
        trainer = self._trainer
        if trainer is None:
            return 0.0
        done = self.global_step / max(1, trainer.estimated_stepping_batches)
        return min(1.0, max(done, time_share(trainer)))

    # ---- validation: on normal images that are held out, and corruptions of another kind than the training's

    def on_validation_epoch_start(self) -> None:
        self.scorer.before_validation(self, self.trainer.datamodule)  # type: ignore[attr-defined]
        self.proxy.reset()
        self.squares.zero_()
        self.clean = None  # of other weights

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        restored, heatmaps, _ = self.look(X_hat)
        heatmap, truth = heatmaps[0], M[0, 0] > 0
        self.proxy.update(heatmap, truth, torch.zeros_like(truth))
        if restored is None:
            return heatmap.mean()
        if not (self.clean is not None and torch.equal(X, self.clean[0])):  # an image comes with several corruptions in a row
            self.clean = X, self.reconstruct(X)
        clean = self.clean[1]
        spread = X - X.mean((-2, -1), keepdim=True)
        self.squares += (
            torch.stack([(clean - X).square().sum(), spread.square().sum(), (M * (restored - X)).square().sum() / M.sum() / 3])
            .cpu()
            .double()
        )
        return heatmap.mean()  # for StopOnDivergence

    def on_validation_epoch_end(self) -> None:
        """val/proxy_ap: pixel AP of the corruptions, which choices between settings go by.

        val/relative_error: ‖F(X)−X‖² / ‖X−mean(X)‖² on clean images, 1 where nothing but a flat grey has been learnt; early
        stopping watches it.
        val/restoration_error: the mean of (F(X̂)−X)² over M, the paper's measure of progress for objective (1).
        """
        figures = self.proxy.compute()
        error, spread, restored = self.squares.tolist()
        pairs = len(self.trainer.val_dataloaders.dataset)  # type: ignore[union-attr]
        self.last_proxy.fill_(figures["pixel_ap"] or 0.0)
        self.log("val/proxy_ap", self.last_proxy)
        self.log("val/proxy_auroc", figures["pixel_auroc"] or 0.0)
        if self.reconstructs:
            self.log("val/relative_error", error / max(spread, 1e-12))
            self.log("val/restoration_error", restored / pairs)
        self.proxy.reset()  # it holds every pixel
        self.clean = None

    # ---- detection

    def reconstruct(self, X: Tensor) -> Tensor:
        """F(X) as used in testing: whole, or in tiles of the training size."""
        return scoring_heatmap.reconstruct(self, X, self.hparams["scoring"]["tile"]).float()

    def look(self, X: Tensor) -> scorers.Seen:
        """(B, 3, h, w) → F(X), None where the network gives back no image, the smoothed heatmap (B, h, w), and factors on the
        image scores (B,), None where the heatmap alone decides."""
        return self.scorer.look(self, X)

    def reconstructed(self, images: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """(X, F(X)) of each, (3, h, w), as in testing."""
        with self.as_in_testing():
            return [(X, self.reconstruct(X[None])[0]) for X in (image.to(self.device) for image in images)]

    @contextmanager
    def as_in_testing(self) -> Iterator[None]:
        """On the trainer's device, which Lightning takes a module off when the training ends, in evaluation mode, without
        gradients, in the trainer's precision."""
        training = self.training
        self.to(self.trainer.strategy.root_device)
        self.eval()
        try:
            with torch.no_grad(), self.trainer.precision_plugin.forward_context():
                yield
        finally:
            self.train(training)

    def flat_heatmap(self, X: Tensor) -> Tensor:
        """The trivial reference: the smoothed distance from the training images' mean colour, (B, h, w)."""
        error, sigma = self.hparams["scoring"]["error"], self.hparams["scoring"]["sigma"]
        plain = error if error in scoring_heatmap.ERRORS else "squared"
        return scoring_heatmap.plain_heatmap(X, self.mean_color.expand_as(X), plain, sigma)

    def image_score(self, heatmap: Tensor) -> Tensor:
        """(H, W) → ()."""
        return scoring_heatmap.image_score(heatmap, self.hparams["scoring"]["pooling"])

    def detect(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """One item of `StoredImages` → heatmap at the stored size (H, W), score (), the same two of the trivial reference and,
        where the network gives one, the reconstruction (3, h, w)."""
        X = batch["X"][None]
        output, heatmaps, weights = self.look(X)
        heatmap, flat = (scoring_heatmap.resize_heatmap(h[0], batch["size"]) for h in (heatmaps, self.flat_heatmap(X)))
        score = self.image_score(heatmap)
        return {
            "heatmap": heatmap,
            "score": score if weights is None else score * weights[0],
            "flat_heatmap": flat,
            "flat_score": self.image_score(flat),
        } | ({} if output is None else {"reconstruction": output[0]})

    def test_step(self, batch: dict[str, Any], batch_index: int) -> dict[str, Tensor]:
        return self.detect(batch)

    def predict_step(self, batch: dict[str, Any], batch_index: int) -> dict[str, Tensor]:
        return self.detect(batch)
