"""A model: the network F with the scorer that makes heatmaps of X and F(X), and the threshold that decides.

All its arguments are plain data, so a checkpoint holds everything (network, preprocessing, scoring, threshold) and loads with
`weights_only=True`. It needs no Lightning, whose import takes longer than many decisions: `module.py` trains it.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from anomaly_lab.build import build
from anomaly_lab.networks.fast.folding import ForInference
from anomaly_lab.scoring.forward import Forward
from anomaly_lab.scoring.own_map import OwnMap

NOT_SCORER = ("scorer", "tile", "train_size", "pooling")  # entries of `scoring` that are no arguments of the scorer


class Model(nn.Module):
    """The network F and the scorer, with all that a decision needs. `hparams` holds the arguments.

    - `network`: a record for `build`. A network may have `reconstructs`, False if its output is no image; `evidence`, the name
      of its own map; and the methods that `Forward` needs of a network of features, or of one with its own map.
    - `objective`, `optimizer`: of the training, see `module.AnomalyModule`; kept, so that a checkpoint names them.
    - `scoring`: `scorer` and `pooling`, records; `tile`, in pixels, 0 for whole images; `train_size`, the size of the training
      crops in pixels, kept for evaluations. The scorer takes the others: `evidence`, `sigma` and, for features, `detector`.
    - `preprocessing`: arguments of `Preprocessing`, kept for new images.
    - `mean_color`: (R, G, B) in [0, 1], the mean of the preprocessed training images, for the flat grey baseline.
    - `profile`: what the training images look like, as in `data.likeness`, to tell new images that are unlike them.
    - `min_area`: a_min in section 4.2: the smallest defect, in pixels of the stored image.
    - `calibration`: record of the rule for the threshold. After the calibration it also holds `levels`, the quiet levels of the
      held-out normal images, which `rules.p_value` needs.

    ValueError if these don't fit each other.
    """

    threshold: Tensor
    last_proxy: Tensor
    relative_error: Tensor

    def __init__(
        self,
        network: dict[str, Any],
        objective: dict[str, Any],
        optimizer: dict[str, float],
        scoring: dict[str, Any],
        preprocessing: dict[str, Any],
        mean_color: list[float],
        profile: dict[str, list[float]],
        min_area: int,
        calibration: dict[str, Any],
    ) -> None:
        super().__init__()
        self._hparams: Any = {  # Lightning's name for it, see `AnomalyModule`
            "network": network,
            "objective": objective,
            "optimizer": optimizer,
            "scoring": scoring,
            "preprocessing": preprocessing,
            "mean_color": mean_color,
            "profile": profile,
            "min_area": min_area,
            "calibration": calibration,
        }
        self.network = build(network).to(memory_format=torch.channels_last)
        self.reconstructs = getattr(self.network, "reconstructs", True)  # if not, there is no F(X)
        arguments = {k: v for k, v in scoring.items() if k not in NOT_SCORER and (k, v) != ("weights", None)}
        self.scorer = build(scoring["scorer"] | arguments)
        self.pooling = build(scoring["pooling"])
        self.precision, self._folded = "32-true", ForInference()  # whoever trains or loads sets the precision
        self._require_map(scoring["evidence"])
        self.register_buffer("threshold", torch.tensor(math.nan))  # `calibrate` sets it
        self.register_buffer("last_proxy", torch.tensor(math.nan))  # a buffer, for resumed runs
        self.register_buffer("relative_error", torch.tensor(math.nan))  # of held-out images; `calibrate` sets it too

    def _require_map(self, evidence: Any) -> None:
        """ValueError if network and scorer don't fit each other."""
        shown = getattr(self.network, "evidence", None)
        if isinstance(self.scorer, OwnMap) and evidence != shown:
            raise ValueError(f"scoring.evidence is {evidence}: the model's own map is {shown}")
        if not self.reconstructs and not isinstance(self.scorer, OwnMap) and not hasattr(self.scorer, "detector"):
            raise ValueError(f"scoring.evidence is {evidence}: the network reconstructs nothing, use scoring.scorer=features")

    @property
    def hparams(self) -> dict[str, Any]:
        """The arguments, as checkpoints store them. Who calibrates or evaluates the model anew changes entries."""
        return self._hparams

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.threshold.device

    @property
    def F(self) -> Forward:
        """F in testing: folded for inference, in tiles of the training size, in the run's precision."""
        return Forward(self.network, self._folded, self.hparams["scoring"]["tile"], self.precision)
