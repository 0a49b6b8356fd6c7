"""A model decides as the module that trained it, and keeps its arguments."""

import math

import pytest
import torch
from conftest import Finished, small_module

from anomaly_lab.model import Model
from anomaly_lab.module import AnomalyModule
from anomaly_lab.runs.trained import load


def test_a_model_has_the_weights_and_arguments_of_its_module() -> None:
    module = small_module()
    model = Model(**module.hparams)
    model.load_state_dict(module.state_dict())
    assert model.hparams == dict(module.hparams) and math.isnan(model.threshold)
    assert model.state_dict().keys() == module.state_dict().keys()
    X = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model.eval().F(X), module.eval().F(X))


def test_a_changed_argument_is_seen_by_lightning_s_checkpoint() -> None:
    module = small_module()
    module.hparams["min_area"] = 17
    assert AnomalyModule(**module.hparams).hparams["min_area"] == 17
    assert module.hparams_initial["min_area"] == 6, "what loggers get"


def test_a_finished_run_is_loaded_as_a_model(finished: Finished) -> None:
    module = load(finished.directory).module
    assert type(module) is Model and module.device == module.threshold.device and not module.training
    assert torch.isfinite(module.threshold) and torch.isfinite(module.relative_error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scoring": {"evidence": "nothing"}}, "scoring.evidence is nothing"),
        ({"network": {"_target_": "nowhere.Network"}}, "nowhere"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changes: dict[str, dict[str, object]], said: str) -> None:
    whole = dict(small_module().hparams)
    with pytest.raises(ValueError, match=said):
        Model(**{name: (whole[name] | changes[name]) if name in changes else whole[name] for name in whole})
