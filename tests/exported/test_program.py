"""A module as a program of torch: what can't be exported is said in a sentence."""

import logging

import pytest
from torch import Tensor

from anomaly_lab.errors import UserError
from anomaly_lab.exported.program import program, quietly
from exported.tiny import SIZE, module_of


def test_a_part_that_depends_on_values_is_named_as_no_export() -> None:
    module = module_of()

    def by_value(heatmap: Tensor) -> Tensor:
        return heatmap.max() if float(heatmap.max()) > 0 else heatmap.min()

    module.pooling = by_value
    with pytest.raises(UserError, match=r"this run can't be exported \(.*\): see docs/export.md"):
        program(module, SIZE, "fp32")


def test_logging_is_silent_only_in_the_block(caplog: pytest.LogCaptureFixture) -> None:
    with quietly():
        logging.getLogger("torch.onnx").error("in the block")
    logging.getLogger("torch.onnx").error("after it")
    assert [record.message for record in caplog.records] == ["after it"]
