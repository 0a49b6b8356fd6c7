"""Which operations a program in a file may hold: those that make new values out of values, and do nothing else.

Not every operation of torch is of this kind: `aten.from_file` maps a file into memory, and `aten.copy_` writes to it.
"""

import re
from functools import cache

PYTHON = re.compile(r"_operator\.(add|sub|mul|floordiv|mod|eq|ge|le|gt|lt|getitem)")
ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.([a-zA-Z]\w*)")
LOOP = "torch.ops.higher_order.while_loop"
# operations of our exports that are private and not of torch's core, or give no tensor
OWN = frozenset(
    {
        *("__and__.Tensor", "__or__.Tensor", "_assert_scalar.default", "_assert_tensor_metadata.default", "sym_size.int"),
        *("_to_copy.default", "_unsafe_view.default", "_upsample_bicubic2d_aa.vec", "_upsample_bilinear2d_aa.vec"),
    }
)
# arguments that are words of a few, such as a way to round; any other text may be the name of a file
WORDS = frozenset(
    {
        *("approximate", "equation", "indexing", "interpolation", "mode", "norm", "ord", "pad_mode", "padding", "reduce"),
        *("rounding_mode", "side"),
    }
)


@cache
def computes(target: str) -> bool:
    """Whether an operation, as torch.export names it, takes values, changes none of them, and gives new ones."""
    if PYTHON.fullmatch(target) or target == LOOP:
        return True
    if (found := ATEN.fullmatch(target)) is None:
        return False
    if target.removeprefix("torch.ops.aten.") in OWN:
        return True
    import torch

    operation = getattr(getattr(torch.ops.aten, found[1], None), found[2], None)
    if not isinstance(operation, torch._ops.OpOverload) or (found[1].startswith("_") and torch.Tag.core not in operation.tags):
        return False  # of what is private, few operations check their arguments
    schema = operation._schema
    texts = {argument.name for argument in schema.arguments if "str" in str(argument.type)}
    tensors = bool(schema.returns) and all(str(made.type) in ("Tensor", "List[Tensor]") for made in schema.returns)
    return tensors and not schema.is_mutable and texts <= WORDS
