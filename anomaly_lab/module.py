"""The LightningModule: network, objective and scoring tied together, thin; what they do stands in their own modules.

All its arguments are primitive, so a checkpoint is data that loads with `weights_only=True` and is complete: network,
preprocessing, scoring parameters and threshold are in it.
"""

import math
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from anomaly_lab import scoring
from anomaly_lab.build import build
from anomaly_lab.metrics import PixelMetrics
from anomaly_lab.residuals import ResidualModel
from anomaly_lab.schedule import time_share, warmup_cosine

VALIDATION_FIT = 4  # images that the normal error is learnt from for a validation, where more would only cost time


class AnomalyModule(L.LightningModule):
    """F with its objective, trained on (X̂, M, X) and used as image → heatmap and score.

    - `network`, `objective`: records for `anomaly_lab.build`. - `optimizer`: lr, weight_decay, warmup (share of the training).
    - `scoring`: error, sigma (pixels at the working scale), tile (pixels, 0 for whole images), pooling.
    - `preprocessing`: arguments of `anomaly_lab.data.preprocessing.Preprocessing`, kept for prediction.
    - `mean_color`: of the training images as the network sees them, for the trivial reference.
    - `min_area`: pixels of the stored image below which a component is no defect (a_min in section 4.2).
    - `calibration`: record of the rule that gives the threshold, for `anomaly_lab.build`; None is the paper's. Once calibrated,
      it also holds `levels`: the quiet levels of the held-out normal images, from which `rules.p_value` follows.
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
        calibration: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = build(network).to(memory_format=torch.channels_last)
        self.objective = build(objective)
        self.residuals = ResidualModel() if scoring["error"] == "mahalanobis" else None
        self.register_buffer("threshold", torch.tensor(math.nan))  # set by calibration, to one of the heatmaps' values
        self.register_buffer("mean_color", torch.tensor(mean_color).view(3, 1, 1), persistent=False)
        self.register_buffer("last_proxy", torch.tensor(math.nan))  # of the last validation, known after a resume too
        self.proxy = PixelMetrics()
        self.squares = torch.zeros(3, dtype=torch.float64)

    def forward(self, X: Tensor) -> Tensor:
        """F(X): (B, 3, H, W) in [0, 1] → the same."""
        return self.network(X.contiguous(memory_format=torch.channels_last))

    # ---- training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        output = self(X_hat)
        with torch.autocast(X.device.type, enabled=False):
            loss = self.objective(output.float(), X, X_hat, M)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; the learning rate rises linearly over `warmup` and falls to zero along a cosine."""
        options = self.hparams["optimizer"]
        decayed = [p for p in self.parameters() if p.ndim > 1]
        rest = [p for p in self.parameters() if p.ndim <= 1]  # normalisation and biases: decay would shift their meaning
        groups = [{"params": decayed, "weight_decay": options["weight_decay"]}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=options["lr"])

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
        if self.residuals is not None:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            self.fit_residuals(data.clean_images(VALIDATION_FIT))
        self.proxy.reset()
        self.squares.zero_()

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        clean = self.reconstruct(X)
        spread = X - X.mean((-2, -1), keepdim=True)
        restored = self.reconstruct(X_hat)
        heatmap = self.heatmap_of(X_hat, restored)[0]
        truth = M[0, 0] > 0
        self.proxy.update(heatmap, truth, torch.zeros_like(truth))
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
        self.log("val/relative_error", error / max(spread, 1e-12))
        self.log("val/restoration_error", restored / pairs)
        self.proxy.reset()  # it holds every pixel

    # ---- detection

    def reconstruct(self, X: Tensor) -> Tensor:
        """F(X) as used in testing: whole, or in tiles of the training size."""
        return scoring.reconstruct(self, X, self.hparams["scoring"]["tile"]).float()

    def fit_residuals(self, images: Sequence[Tensor]) -> None:
        """Learn what error is normal from clean images, (3, h, w) each, that were not trained on; plain errors need none."""
        if self.residuals is not None:
            self.residuals.fit(self.reconstructed(images))

    def reconstructed(self, images: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """(X, F(X)) of each, (3, h, w), as in testing."""
        training = self.training
        self.eval()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            pairs = [(X, self.reconstruct(X[None])[0]) for X in (image.to(self.device) for image in images)]
        self.train(training)
        return pairs

    def heatmap_of(self, X: Tensor, output: Tensor) -> Tensor:
        """(B, 3, h, w) and its reconstruction → (B, h, w): the smoothed reconstruction error."""
        if self.residuals is None:
            return self._plain_heatmap(X, output, self.hparams["scoring"]["error"])
        with torch.autocast(X.device.type, enabled=False):
            return self.residuals(X, output, self.hparams["scoring"]["sigma"])

    def flat_heatmap(self, X: Tensor) -> Tensor:
        """The trivial reference: the smoothed distance from the training images' mean colour, (B, h, w)."""
        error = self.hparams["scoring"]["error"]
        return self._plain_heatmap(X, self.mean_color.expand_as(X), "squared" if error == "mahalanobis" else error)

    def _plain_heatmap(self, X: Tensor, output: Tensor, error: str) -> Tensor:
        with torch.autocast(X.device.type, enabled=False):  # else the Gaussian's convolution rounds the heatmap to bf16
            return scoring.smooth(scoring.error_map(X, output, error), self.hparams["scoring"]["sigma"])

    def image_score(self, heatmap: Tensor) -> Tensor:
        """(H, W) → ()."""
        return scoring.image_score(heatmap, self.hparams["scoring"]["pooling"])

    def detect(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """One item of `TestImages` → reconstruction (3, h, w), heatmap at the stored size (H, W), score (), and the same two
        of the trivial reference."""
        X = batch["X"][None]
        output = self.reconstruct(X)
        heatmap, flat = (
            scoring.resize_heatmap(h[0], batch["size"]) for h in (self.heatmap_of(X, output), self.flat_heatmap(X))
        )
        return {
            "reconstruction": output[0],
            "heatmap": heatmap,
            "score": self.image_score(heatmap),
            "flat_heatmap": flat,
            "flat_score": self.image_score(flat),
        }

    def test_step(self, batch: dict[str, Any], batch_index: int) -> dict[str, Tensor]:
        return self.detect(batch)

    def predict_step(self, batch: dict[str, Any], batch_index: int) -> dict[str, Tensor]:
        return self.detect(batch)
