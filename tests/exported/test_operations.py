"""Operations that compute pass; those that do anything else do not, whatever they are called."""

import pytest
import torch

from anomaly_lab.exported.operations import ATEN, LOOP, OWN, computes


@pytest.mark.parametrize(
    "name",
    [
        *("add.Tensor", "conv2d.default", "view.default", "slice.Tensor", "max.dim", "div.Tensor_mode", "scatter_reduce.two"),
        *("upsample_bilinear2d.vec", "batch_norm.default", "split.Tensor", "einsum.default", "pad.default", "_softmax.default"),
        *("fft_rfft2.default", *sorted(OWN)),
    ],
)
def test_what_makes_values_out_of_values_passes(name: str) -> None:
    assert computes(f"torch.ops.aten.{name}")


@pytest.mark.parametrize(
    "target",
    [
        *(f"torch.ops.aten.{name}" for name in ("from_file.default", "from_file.out", "save.default", "save", "manual_seed")),
        *(
            f"torch.ops.aten.{name}"
            for name in ("copy_.default", "add_.Tensor", "add.out", "set_.source_Storage", "wait.default")
        ),
        *(f"torch.ops.aten.{name}" for name in ("_sparse_coo_tensor_unsafe.default", "add.overloads", "none.default", "add")),
        *(f"torch.ops.higher_order.{name}" for name in ("auto_functionalized", "call_torchbind", "print")),
        *("torch.os.system", "torch.ops.aten.add.Tensor.__call__", "math.exp", "os.system", "_operator.setitem", "#x", ""),
    ],
)
def test_anything_else_does_not(target: str) -> None:
    assert not computes(target)


def test_a_loop_and_python_s_arithmetic_pass() -> None:
    assert computes(LOOP) and computes("_operator.mul") and computes("_operator.getitem")


def test_no_operation_that_passes_changes_a_value_or_takes_a_file_s_name() -> None:
    """Of all that torch has."""
    passed = 0
    for name in torch._C._dispatch_get_all_op_names():
        target = "torch.ops." + name.replace("::", ".") + ("" if "." in name else ".default")
        if ATEN.fullmatch(target) and computes(target):
            passed += 1
            schema = torch._C._get_schema(*name.partition(".")[::2])
            assert not schema.is_mutable and not {"filename", "file_name", "file"} & {each.name for each in schema.arguments}, (
                name
            )
    assert passed > 500
