"""The LightningModule: it trains a model with an objective, and validates it."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from anomaly_lab.build import TARGET, build
from anomaly_lab.metrics.pooled import PixelMetrics
from anomaly_lab.model import Model
from anomaly_lab.objectives import uncorrelated
from anomaly_lab.training.schedule import Fall, share_done, warmup_cosine

NOT_LOSS = ("fall", "correlation")  # entries of `objective` that are no arguments of its function


class AnomalyModule(Model, L.LightningModule):
    """A model in training. It takes the arguments of `Model`, by name.

    - `objective`: a record for `build`. One without `_target_` trains nothing, unless the network has a loss of its own, the
      method `loss`: X, X̂ (B, 3, H, W) and M (B, 1, H, W) → a scalar. A network may also have `begin`, which takes normal
      training images at the start of a run, and `learning_rate`, which maps a parameter's name to a factor.
    - `optimizer`: lr, weight_decay, and warmup as a share of the training.

    ValueError if objective and network don't fit each other.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.save_hyperparameters(self.hparams)  # for loggers
        objective = self.hparams["objective"]
        self.objective = build({k: v for k, v in objective.items() if k not in NOT_LOSS}) if TARGET in objective else None
        self.fall = None if objective.get("fall") is None else Fall(objective["lam"], *objective["fall"])
        self.correlation = objective.get("correlation")
        self._require_loss(objective.get("name"))
        self.proxy = PixelMetrics()
        self.squares = torch.zeros(3, dtype=torch.float64)
        self.clean: tuple[Tensor, Tensor] | None = None  # the last validation image and its F(X)

    def _require_loss(self, objective: str | None) -> None:
        """ValueError if network and objective don't fit each other."""
        own = hasattr(self.network, "loss")
        if own and objective != "own":
            raise ValueError(f"objective is {objective}, but the model has a loss of its own: leave objective= out")
        if objective == "own" and not own:
            raise ValueError("objective is own, but the model has no loss of its own: leave objective= out")
        if self.trainable and self.objective is None and not own:
            raise ValueError(f"objective is {objective}, but the model has weights to train: leave objective= out")
        if self.objective is not None and not self.trainable:
            raise ValueError(f"objective is {objective}, but the model has nothing to train: leave objective= out")

    def forward(self, X: Tensor) -> Tensor:
        """F(X) in training: (B, 3, H, W) in [0, 1] → the same shape and range."""
        return self.network(X.contiguous(memory_format=torch.channels_last))

    @property
    def trainable(self) -> bool:
        """Whether the network has weights to train."""
        return any(p.requires_grad for p in self.network.parameters())

    # ---- training

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """The objective on a batch with X, X̂ and M."""
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        if self.objective is None:
            loss = self.network.loss(X, X_hat, M)
        else:
            output = self(X_hat)
            with torch.autocast(X.device.type, enabled=False):
                lam = {} if self.fall is None else {"lam": self.fall(self.progress)}
                loss = self.objective(output.float(), X, X_hat, M, **lam)
                if self.correlation is not None:
                    loss = loss + uncorrelated(output.float(), X, self.correlation)
            self.log_dict({f"train/{name}": value for name, value in lam.items()})
        self.log("train/loss", loss)
        evidence = self.scorer.loss(X) if hasattr(self.scorer, "loss") else None
        if evidence is None:
            return loss
        self.log("train/evidence", evidence)
        return loss + evidence  # they share no weight

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with the schedule of `warmup_cosine`. Normalisation and biases have no weight decay."""
        options = self.hparams["optimizer"]
        rate = getattr(self.network, "learning_rate", lambda name: 1.0)
        named = [(n, p) for part in (self.network, self.scorer) for n, p in part.named_parameters() if p.requires_grad]
        groups = []
        for factor in sorted({rate(name) for name, _ in named}):
            own, lr = [p for name, p in named if rate(name) == factor], factor * options["lr"]
            rest = [p for p in own if p.ndim <= 1]  # normalisation and biases
            groups.append({"params": [p for p in own if p.ndim > 1], "weight_decay": options["weight_decay"], "lr": lr})
            groups.append({"params": rest, "weight_decay": 0.0, "lr": lr})
        optimizer = torch.optim.AdamW(groups, lr=options["lr"], fused=True)  # one pass over the weights, on every device

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(self.progress, options["warmup"]))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def progress(self) -> float:
        """The share of the training that is done, in [0, 1], in steps or in time, whichever is larger."""
        trainer = self._trainer
        if trainer is None:
            return 0.0
        return share_done(trainer, self.global_step, trainer.estimated_stepping_batches)

    # ---- validation, on held-out normal images and corruptions of other kinds than F is trained on

    def on_validation_epoch_start(self) -> None:
        """Let the scorer learn briefly, and reset the sums."""
        self.scorer.learn(self.F, getattr(self.trainer.datamodule, "scoring_data", None), brief=True)  # type: ignore[attr-defined]
        self.proxy.reset()
        self.squares.zero_()
        self.clean = None  # the weights have changed

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Add one corrupted image to the sums. Returns the mean of its heatmap, which must be finite."""
        X, X_hat, M = batch["X"], batch["X_hat"], batch["M"]
        found = self.scorer(self.F, X_hat)
        restored, heatmap, truth = found.output, found.heatmap[0], M[0, 0] > 0
        self.proxy.update(heatmap, truth, torch.zeros_like(truth))
        if restored is not None:
            if not (self.clean is not None and torch.equal(X, self.clean[0])):  # corruptions of one image follow each other
                self.clean = X, self.F(X)
            clean = self.clean[1]
            spread = X - X.mean((-2, -1), keepdim=True)
            restoration = (M * (restored - X)).square().sum() / M.sum() / 3
            self.squares += torch.stack([(clean - X).square().sum(), spread.square().sum(), restoration]).cpu().double()
        return heatmap.mean()

    def on_validation_epoch_end(self) -> None:
        """Log the means.

        - val/proxy_ap, val/proxy_auroc: pixel AP and AUROC of detecting the corruptions.
        - val/relative_error: ‖F(X) − X‖² / ‖X − mean(X)‖² on clean images; a flat grey has 1. Early stopping watches it.
        - val/restoration_error: the mean of (F(X̂) − X)² over M, the paper's measure of progress for objective (1).
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
        self.proxy.reset()  # frees the scores of all pixels
        self.clean = None
