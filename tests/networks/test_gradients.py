"""Gradients in testing."""

import torch

from anomaly_lab.networks.gradients import gradients


def test_gradients_exist_where_testing_switches_them_off() -> None:
    layer = torch.nn.Linear(2, 1)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        X = torch.ones(3, 2)
        with gradients(X) as leaf:
            output = layer(leaf)
            (found,) = torch.autograd.grad(output.sum(), leaf)
        assert output.dtype == torch.float32 and X.is_inference()
    assert torch.equal(found, layer.weight.detach().expand(3, 2))
