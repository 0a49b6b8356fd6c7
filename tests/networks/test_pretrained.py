"""Where the encoder's weights come from, and the sentences for weights that are missing or do not fit."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from anomaly_lab.errors import UserError
from anomaly_lab.networks import pretrained
from anomaly_lab.networks.efficientnet_lite import Encoder


def test_the_message_names_the_extra_if_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'anomaly_lab\[pretrained\]'"):
        pretrained.load(Encoder(), "lite0", None)


def test_a_file_may_have_our_names_or_the_wheel_s(tmp_path: Path, reference: Any, lite0: Any) -> None:
    torch.save({"state_dict": lite0.state_dict()}, tmp_path / "ours.pt")
    torch.save(reference.state_dict(), tmp_path / "theirs.pt")
    for name in ("ours.pt", "theirs.pt"):
        encoder = Encoder()
        pretrained.load(encoder, "file", str(tmp_path / name))
        for key, value in encoder.backbone.state_dict().items():
            torch.testing.assert_close(value, lite0.state_dict()[key])


def test_random_weights_are_left_alone() -> None:
    encoder = Encoder()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    pretrained.load(encoder, "random", None)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def _write(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("no weights")
    elif kind == "other":
        torch.save({"layer.weight": torch.zeros(3)}, path)
    elif kind == "numbers":
        torch.save({"layer.weight": 3}, path)
    elif kind == "code":
        torch.save(nn.Linear(2, 2), path)


@pytest.mark.parametrize("kind", ["missing", "text", "other", "numbers", "code"])
def test_a_file_that_does_not_fit_is_answered_in_one_sentence(tmp_path: Path, kind: str) -> None:
    _write(tmp_path / "weights.pt", kind)
    with pytest.raises(UserError, match=r"weights\.pt") as caught:
        pretrained.load(Encoder(), "file", str(tmp_path / "weights.pt"))
    assert "\n" not in str(caught.value)


def test_encoder_file_is_required_for_weights_from_a_file() -> None:
    with pytest.raises(UserError, match=r"model\.encoder_file=FILE"):
        pretrained.load(Encoder(), "file", None)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """It could take for ever."""
    os.mkfifo(tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"weights.pth is no state dict \(there is no such file\)"):
        pretrained.read(tmp_path / "weights.pth")
