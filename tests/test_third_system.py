"""A third system is a file and a YAML: a student that learns to agree with a teacher, and is scored by where it doesn't."""

import sys
import types
from pathlib import Path

import pytest
from conftest import in_process, metrics_of, scores_of, stripes, train_in_process

FILE = """
import torch
from torch import nn


class Student(nn.Module):
    reconstructs = False

    def __init__(self, width=8):
        super().__init__()
        self.teacher = nn.Conv2d(3, width, 8, 8).requires_grad_(False)
        self.student = nn.Sequential(nn.Conv2d(3, width, 8, 8), nn.ReLU(), nn.Conv2d(width, width, 1))

    def forward(self, X):
        return self.student(X) - self.teacher(X)

    def encode(self, X):
        return self(X)

    def features(self, vectors):
        return vectors.float()


def agree(output, X, X_hat, M):
    return output.square().mean()


class Deviation(nn.Module):
    evidence = "deviation"

    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.ones(width))

    def fit(self, features, images, progress=None):
        self.scale.copy_(torch.stack([f.square().mean((0, 2, 3)) for f in features]).mean(0))

    def forward(self, features):
        return (features.square() / self.scale.view(-1, 1, 1)).mean(1).sqrt(), torch.ones(len(features))
"""
YAML = """
# @package _global_
defaults:
  - override /objective: none
  - override /corruption: none
model: {name: student, _target_: anomaly_lab.third_system.Student, width: 8}
objective: {name: agree, _target_: anomaly_lab.third_system.agree}
scoring:
  scorer: features
  evidence: deviation
  detector: {_target_: anomaly_lab.third_system.Deviation, width: "${model.width}"}
  sigma: 2
  tile: 0
callbacks: {early_stopping: null}
"""


def test_a_file_and_a_yaml_are_trained_scored_scored_again_and_reported(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomaly_lab import evaluate
    from anomaly_lab.report.__main__ import main

    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/student.yaml").write_text(YAML.lstrip())
    module = types.ModuleType("anomaly_lab.third_system")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # as if the file lay in the package
    exec(FILE, vars(module))
    run = train_in_process(tmp_path, "--config-dir", str(tmp_path / "conf"), *stripes(data_root), "model=student").directory
    metrics = metrics_of(run)
    expected = {"model": "student", "objective": "agree", "corruption": "none", "evidence": "deviation", "steps": 10}
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["pixel_auroc"] > 0.8
    again = in_process(tmp_path, evaluate.main, "evaluate", f"run={run}").directory
    assert scores_of(again) == scores_of(run)
    ended = in_process(tmp_path, main, "report", "runs=runs")
    assert ended.status == 0, ended.err
    assert ">agree<" in next(tmp_path.rglob("report.html")).read_text()
