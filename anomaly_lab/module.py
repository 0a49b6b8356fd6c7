"""The LightningModule: network, objective and scoring tied together, thin; what they do stands in their own modules.

All its arguments are primitive, so a checkpoint is data that loads with `weights_only=True`. It is complete: network,
preprocessing, scoring and threshold are in it.
"""

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from anomaly_lab.build import TARGET, build
from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.scoring.forward import Forward
from anomaly_lab.training.schedule import share_done, warmup_cosine

OF_SCORED = ("scorer", "tile", "train_size", "pooling")  # entries of `scoring` that the scorer itself does not take


class AnomalyModule(L.LightningModule):
    """F with its objective, trained on (X̂, M, X), and with the scorer that makes heatmaps of it.

    - `network`, `objective`: records for `anomaly_lab.build`; an objective without `_target_` asks for nothing. A network may
      have `begin`, which gets normal training images where a run begins; `learning_rate`, a parameter's name → factor;
      `reconstructs`, false where its output is no image; and what `Forward` needs of a network of features.
    - `optimizer`: lr, weight_decay, warmup (share of the training).
    - `scoring`: `scorer` and `pooling`, records; `tile`, pixels, 0 for whole images; `train_size`, pixels of the training
      crops, for the record; all else goes to the scorer: `error`, `sigma` and, for features, `detector`.
    - `preprocessing`: arguments of `anomaly_lab.data.preprocessing.Preprocessing`, kept for new images.
    - `mean_color`: (R, G, B) of the training images as the network sees them, for the flat grey baseline.
    - `min_area`: pixels of the stored image below which a component is no defect (a_min in section 4.2).
    - `calibration`: record of the rule that gives the threshold. Once calibrated, it also holds `levels`: the quiet levels of
      the held-out normal images, from which `rules.p_value` follows.

    ValueError where these don't fit each other.
    """

    threshold: Tensor
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
        self.objective = build(objective) if TARGET in objective else None
        self.reconstructs = getattr(self.network, "reconstructs", True)  # else there is no F(X)
        self.scorer = build(scoring["scorer"] | {k: v for k, v in scoring.items() if k not in OF_SCORED})
        self.pooling = build(scoring["pooling"])
        self.precision, self._folded = "32-true", ForInference()  # the precision is set by whoever trains or loads
        self._require_fit(objective.get("name"), scoring["error"])
        self.register_buffer("threshold", torch.tensor(math.nan))  # set by calibration, to one of the heatmaps' values
        self.register_buffer("last_proxy", torch.tensor(math.nan))  # of the last validation, known after a resume too
        self.proxy = PixelMetrics()
        self.squares = torch.zeros(3, dtype=torch.float64)
        self.clean: tuple[Tensor, Tensor] | None = None  # the last validation image and F of it

    def _require_fit(self, objective: str | None, error: Any) -> None:
        """ValueError where network, objective and scorer don't belong together."""
        if self.trainable and self.objective is None:
            raise ValueError(f"objective is {objective}, but the model has weights to train: leave objective= out")
        if self.objective is not None and not self.trainable:
            raise ValueError(f"objective is {objective}, but the model has nothing to train: leave objective= out")
        if not self.reconstructs and not hasattr(self.scorer, "detector"):
            raise ValueError(f"scoring.error is {error}: a network that reconstructs nothing has no such error")

    def forward(self, X: Tensor) -> Tensor:
        """F(X) as in training: (B, 3, H, W) in [0, 1] → the same."""
        return self.network(X.contiguous(memory_format=torch.channels_last))

    @property
    def F(self) -> Forward:
        """F as in testing: a copy folded for inference, in tiles of the training size, in the run's precision."""
        return Forward(self.network, self._folded, self.hparams["scoring"]["tile"], self.precision)

    @property
    def trainable(self) -> bool:
        """Whether there is anything to train."""
        return any(p.requires_grad for p in self.network.parameters())

    # ---- training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """The objective of a batch of (X, X̂, M)."""
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
        return share_done(trainer, self.global_step, trainer.estimated_stepping_batches)

    # ---- validation: on held-out normal images and corruptions of them, of another kind than the training's

    def on_validation_epoch_start(self) -> None:
        """Learn briefly what is normal, and begin the sums anew."""
        self.scorer.learn(self.F, getattr(self.trainer.datamodule, "scoring_data", None), brief=True)  # type: ignore[attr-defined]
        self.proxy.reset()
        self.squares.zero_()
        self.clean = None  # of other weights

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Add one corrupted image to the sums. Returns the mean of its heatmap, which must stay finite."""
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        restored, heatmaps, _ = self.scorer(self.F, X_hat)
        heatmap, truth = heatmaps[0], M[0, 0] > 0
        self.proxy.update(heatmap, truth, torch.zeros_like(truth))
        if restored is not None:
            if not (self.clean is not None and torch.equal(X, self.clean[0])):  # several corruptions of an image in a row
                self.clean = X, self.F(X)
            clean = self.clean[1]
            spread = X - X.mean((-2, -1), keepdim=True)
            restoration = (M * (restored - X)).square().sum() / M.sum() / 3
            self.squares += torch.stack([(clean - X).square().sum(), spread.square().sum(), restoration]).cpu().double()
        return heatmap.mean()

    def on_validation_epoch_end(self) -> None:
        """val/proxy_ap: pixel AP of the corruptions, by which settings can be compared.

        val/relative_error: ‖F(X)−X‖² / ‖X−mean(X)‖² on clean images, 1 where F(X) is a flat grey; early stopping watches it.
        val/restoration_error: the mean of (F(X̂)−X)² over M, the paper's measure of progress for objective (1).
        """
        proxy = self.proxy.compute()
        error, spread, restored = self.squares.tolist()
        pairs = len(self.trainer.val_dataloaders.dataset)  # type: ignore[union-attr]
        self.last_proxy.fill_(proxy["pixel_ap"] or 0.0)
        self.log("val/proxy_ap", self.last_proxy)
        self.log("val/proxy_auroc", proxy["pixel_auroc"] or 0.0)
        if self.reconstructs:
            self.log("val/relative_error", error / max(spread, 1e-12))
            self.log("val/restoration_error", restored / pairs)
        self.proxy.reset()  # it holds every pixel
        self.clean = None
