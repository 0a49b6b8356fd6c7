"""Each file in conf/ composes, and its objects can be built."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import train_in_process
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from anomaly_lab.build import build
from anomaly_lab.data.pairs import FLIPS
from anomaly_lab.errors import UserError
from anomaly_lab.module import NOT_LOSS
from anomaly_lab.networks.sdc_autoencoder import SDCAutoencoder
from anomaly_lab.runs.checks import check
from anomaly_lab.runs.choices import record
from anomaly_lab.runs.command_line import CONF

MVTEC_AD = [
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut",
    "pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper",
]  # fmt: skip

# how each group's files are chosen on the command line; add a new group here with a test of its files
CHOSEN = {
    "calibration": "calibration={}",
    "callbacks": "callbacks={}",
    "category": "+category={}",
    "corruption": "corruption={}",
    "data": "data={}",
    "debug": "debug={}",
    "experiment": "experiment={}",
    "logger": "logger={}",
    "model": "model={}",
    "objective": "objective={}",
    "scoring": "scoring={}",
    "scoring/evidence": "scoring.evidence={}",
    "scoring/pooling": "scoring.pooling={}",
    "scoring/scorer": "scoring.scorer={}",
    "sweep": "+sweep={}",
    "trainer": "trainer={}",
}
PARTS = {"base"}  # files on which others build; they are not chosen
FILES = sorted(path for path in CONF.rglob("*.yaml") if path.parent.name != "local")
OPTIONS = [
    (path.parent.relative_to(CONF).as_posix(), path.stem) for path in FILES if path.parent != CONF and path.stem not in PARTS
]


def composed(*overrides: str, folder: Path = CONF) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def completed(group: str, name: str) -> DictConfig:
    """A complete configuration with this option."""
    overrides = [CHOSEN[group].format(name)]
    if group != "category":
        overrides.append("+category=carpet")
    if name == "custom":
        overrides.append("category.name=mine")
    if group == "data" and name != "synthetic":
        overrides.append("data.root=somewhere")
    if (group, name) == ("corruption", "proxy"):  # reserved for the validation
        overrides.pop(0)
    if (group, name) == ("scoring/scorer", "own"):
        overrides.append("scoring.evidence=its_name")
    if (group, name) == ("objective", "patch_reconstruction"):
        overrides.append("model=patch_ae")
    return composed(*overrides)


def test_every_file_belongs_to_a_group_that_is_tested() -> None:
    assert FILES, "the configuration is found"
    for path in FILES:
        assert path.parent == CONF or path.parent.relative_to(CONF).as_posix() in CHOSEN, f"{path} is not covered by any test"


def test_every_category_of_mvtec_ad_has_a_file() -> None:
    assert {name for group, name in OPTIONS if group == "category"} == {*MVTEC_AD, "custom"}


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids="/".join)
def test_every_option_composes_passes_the_checks_and_can_be_built(group: str, name: str, tmp_path: Path) -> None:
    config = completed(group, name)
    check(config)
    OBJECTS[group](config, name, tmp_path)


def _category(config: DictConfig, name: str, folder: Path) -> None:
    category = config.category
    assert category.name == ("mine" if name == "custom" else name)
    assert category.kind in ("texture", "object")
    assert set(category.augmentation) <= set(FLIPS)
    assert set(category) == {"name", "kind", "augmentation", "min_area"}


def _model(config: DictConfig, name: str, folder: Path) -> None:
    assert config.model.name == name
    network = build(OmegaConf.to_container(config.model, resolve=True))
    if not getattr(network, "reconstructs", True):
        if hasattr(network, "examine"):
            output, found = network.eval().examine(torch.rand(1, 3, 32, 40))
            assert output is None and found.shape == (1, 32, 40)
            return
        vectors = network.eval().features(network.encode(torch.rand(1, 3, 32, 40)))
        assert len(vectors) == 1 and tuple(vectors.shape[2:]) in ((4, 5), (8, 10)), "one vector for 8 or 4 pixels"
        return
    if isinstance(network, SDCAutoencoder) and config.model.width > 0.3:
        return  # tests/networks tests its layers, and a pass takes long
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, 32, 40)).shape == (1, 3, 32, 40)


def _objective(config: DictConfig, name: str, folder: Path) -> None:
    assert config.objective.name == name
    if name in ("none", "own"):
        assert set(config.objective) == {"name"}
        return
    X, X_hat, M = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    M[:, :, 4:9, 4:9] = 1
    output = torch.rand(2, 3, 16, 16, requires_grad=True)
    record: Any = OmegaConf.to_container(config.objective)
    loss = build({k: v for k, v in record.items() if k not in NOT_LOSS})(output, X, X_hat, M)
    loss.backward()
    assert loss.ndim == 0
    assert output.grad is not None
    assert output.grad.abs().sum() > 0


def _corruption(config: DictConfig, name: str, folder: Path) -> None:
    record = config.validation_corruption if name == "proxy" else config.corruption
    assert record.name == name
    X = np.random.default_rng(0).random((48, 48, 3), dtype=np.float32)
    corrupt = build(OmegaConf.to_container(record))
    corrupt.p = float(corrupt.p > 0)  # a corruption of some samples must corrupt this one
    pair = corrupt(image=X, mask=np.zeros((48, 48, 1), np.float32))
    assert 0 < pair["mask"].mean() <= 1 or name == "none"
    assert (pair["image"] != X).any() == (name != "none")


def _data(config: DictConfig, name: str, folder: Path) -> None:
    from anomaly_lab.pipeline.assembly import datamodule

    assert config.data.name == name
    assert datamodule(config).name == name


def _trainer(config: DictConfig, name: str, folder: Path) -> None:
    from anomaly_lab.training.trainer import make_trainer

    if name == "gpu" and not torch.cuda.is_available():
        with pytest.raises(UserError, match="trainer: No supported gpu backend"):
            make_trainer(config, folder, [], [])
        return
    trainer = make_trainer(config, folder, [], [])
    assert trainer.max_epochs == config.trainer.max_epochs


def _experiment(config: DictConfig, name: str, folder: Path) -> None:
    """The paper's protocol is whole: Table 1, its input, un-squared norms, its threshold."""
    assert (config.model.width, config.image_size, config.objective.norm) == (1, 512, "l2")
    assert (config.scoring.evidence, config.calibration.name) == ("squared", "area")
    sizes = instantiate(config.callbacks.progressive_size).sizes
    assert sizes[0][1] < sizes[-1][1] == 1 and config.data.train_size == config.image_size
    _trainer(config, "gpu", folder)


def _calibration(config: DictConfig, name: str, folder: Path) -> None:
    assert config.calibration.name == name
    assert build(OmegaConf.to_container(config.calibration))(range(200)) > 150, "a rule chooses a high level"


def _callbacks(config: DictConfig, name: str, folder: Path) -> None:
    from lightning import Callback

    assert config.callbacks
    assert all(isinstance(instantiate(options), Callback) for options in config.callbacks.values())


def _logger(config: DictConfig, name: str, folder: Path) -> None:
    """tests/show/test_loggers.py makes and uses their objects."""
    from hydra.utils import get_class
    from lightning.pytorch.loggers.logger import Logger

    assert set(config.logger) == ({name} if name != "csv" else set())
    assert all(issubclass(get_class(options._target_), Logger) for options in config.logger.values())


def _metrics(config: DictConfig, name: str, folder: Path) -> None:
    for options in config.metrics.values():
        assert set(build(OmegaConf.to_container(options)).compute().values()) == {None}, "without images no metric is defined"


def _scoring(config: DictConfig, name: str, folder: Path) -> None:
    if name == "paper":
        assert (config.scoring.evidence, config.calibration.name, config.scoring.pooling) == ("squared", "area", "max")
    assert set(config.scoring) == {"scorer", "evidence", "weights", "sigma", "tile", "pooling"}


def _evidence(config: DictConfig, name: str, folder: Path) -> None:
    found = build(record("scoring.evidence", name))
    X = torch.rand(1, 3, 32, 32)
    if isinstance(found, torch.nn.Module):
        assert hasattr(found, "learn") or found.eval()(X, X, 1.0).shape == (1, 32, 32)
    else:
        assert found(X, X, 1.0).abs().max() == 0


def _pooling(config: DictConfig, name: str, folder: Path) -> None:
    assert build(record("scoring.pooling", name))(torch.ones(4, 5)) == 1


def _scorer(config: DictConfig, name: str, folder: Path) -> None:
    assert record("scoring.scorer", name)["_target_"].startswith("anomaly_lab.scoring.")


def _sweep(config: DictConfig, name: str, folder: Path) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        whole = compose("train", overrides=[f"+sweep={name}"], return_hydra_config=True)
    assert whole.hydra.sweeper.params, "a sweep has parameters"


OBJECTS: dict[str, Any] = {
    "calibration": _calibration,
    "callbacks": _callbacks,
    "category": _category,
    "corruption": _corruption,
    "data": _data,
    "debug": _trainer,
    "experiment": _experiment,
    "logger": _logger,
    "model": _model,
    "metrics": _metrics,
    "objective": _objective,
    "scoring": _scoring,
    "scoring/evidence": _evidence,
    "scoring/pooling": _pooling,
    "scoring/scorer": _scorer,
    "sweep": _sweep,
    "trainer": _trainer,
}


BOTH = {"horizontal_flip", "vertical_flip"}
FLIPS_OF = {
    **{name: set() for name in ("capsule", "pill", "cable")},  # print, and wires of fixed colours
    "metal_nut": {"rotate90"},  # mirrored, it is the defect called flip
    **{name: {"horizontal_flip"} for name in ("toothbrush", "transistor")},  # they stand upright
    **{name: BOTH for name in ("wood", "carpet", "zipper", "grid")},  # they have a direction
    **{name: BOTH | {"rotate90"} for name in ("bottle", "hazelnut", "leather", "screw", "tile")},
}


@pytest.mark.parametrize("category", MVTEC_AD)
def test_augmentations_keep_a_normal_image_normal(category: str) -> None:
    """A flip or a turn of print, chiral parts or directed textures would be a defect."""
    assert set(composed(f"+category={category}").category.augmentation) == FLIPS_OF[category]


def test_the_defaults_stay_out_of_category() -> None:
    """Otherwise Hydra would refuse +category=."""
    assert OmegaConf.is_missing(composed(), "category")


def test_the_local_file_in_the_docs_sets_the_root_of_real_data_only(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs/in_use.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(# @package _global_\n.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder, ignore=shutil.ignore_patterns("local"))
    plain = composed("+category=carpet", folder=folder)
    (folder / "local").mkdir()
    (folder / "local/default.yaml").write_text(shown)
    assert composed("+category=carpet", "data=mvtec", folder=folder).data.root == "/my/images"
    assert composed("+category=carpet", "data=mvtec", "data.root=elsewhere", folder=folder).data.root == "elsewhere"
    assert composed("+category=carpet", folder=folder).data == plain.data


def test_config_dir_adds_a_local_file(tmp_path: Path) -> None:
    (tmp_path / "mine/local").mkdir(parents=True)
    (tmp_path / "mine/local/default.yaml").write_text("# @package _global_\nobjective: {lam: 7}\n")
    ended = train_in_process(tmp_path, "--config-dir", str(tmp_path / "mine"), "+category=carpet")
    assert ended.status == 1
    assert "objective.lam is 7" in ended.err


def test_lam_may_be_0_or_1() -> None:
    for lam in (0, 1, 0.5):
        check(composed("+category=carpet", f"objective.lam={lam}"))


def test_the_model_s_width_can_be_set_on_the_command_line() -> None:
    def parameters(*overrides: str) -> int:
        model = composed("+category=carpet", "model=tiny", *overrides).model
        return sum(p.numel() for p in build(OmegaConf.to_container(model)).parameters())

    assert parameters("model.width=0.03") < parameters("model.width=0.06") / 2
