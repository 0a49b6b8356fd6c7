"""A file for torch holds data alone: what would run code is refused before torch reads it."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from anomaly_lab.errors import UserError
from anomaly_lab.exported import torch_file
from anomaly_lab.exported.program import quietly


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = torch.vmap(lambda one: one.float() * self.weight)(pixels)
        return x, x > 0, x.sum((1, 2, 3)), (x > 0).flatten(1).any(1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("torch") / "m.pt2"
    batch = torch.export.Dim("batch", min=1)
    with quietly():
        example = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
        program = torch.export.export(Model(), (example,), dynamic_shapes=({0: batch},), strict=False)
    torch_file.write(program, path, {"a": 1})
    return path


def test_what_was_written_runs(written: Path) -> None:
    text, run = torch_file.opened(written)
    assert text == '{"a": 1}'
    found = run(torch.full((3, 4, 4, 3), 2, dtype=torch.uint8).numpy())
    assert found["score"].tolist() == [96.0] * 3 and found["defective"].all()


class Evil:
    """Loading its pickle makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def changed(written: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of the archive whose members were changed."""
    with zipfile.ZipFile(written) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(to, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return to


def in_json(member: str, old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        (name,) = [n for n in members if n.endswith(member)]
        assert old in members[name].decode()
        members[name] = members[name].decode().replace(old, new).encode()

    return change


def added(name: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({next(iter(members)).split("/")[0] + "/" + name: content})


def test_code_in_a_file_is_refused_and_does_not_run(written: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    evil = io.BytesIO()
    torch.save(Evil(mark), evil)
    planted = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    changes = {
        "a pickle of a weight": in_json("weights_config.json", '"use_pickle": false', '"use_pickle": true'),
        "example inputs": added("data/sample_inputs/model.pt", evil.getvalue()),
        "another pickle": added("data/constants/custom_obj_0", pickle.dumps(Evil(mark))),
        "a compiled library": added("data/aotinductor/model/evil.so", b"\x7fELF"),
        "a size": in_json("models/model.json", "Symbol(", planted.replace('"', "'") + "+Symbol("),
        "a function": in_json("models/model.json", "torch.ops.aten.mul.Tensor", "torch.os.system"),
        "an operator as an argument": in_json("models/model.json", '{"as_tensor": {"name": "p', '{"as_operator": {"name": "p'),
        "an operation that maps a file": in_json("model.json", "torch.ops.aten.mul.Tensor", "torch.ops.aten.from_file.default"),
        "an operation that writes": in_json("models/model.json", "torch.ops.aten.mul.Tensor", "torch.ops.aten.copy_.default"),
        "a second graph": lambda members: members.update({"other/models/model.json": b"{}"}),
        "a guard": in_json("models/model.json", '"guards_code": []', f'"guards_code": [{json.dumps(planted)}]'),
    }
    for name, change in changes.items():
        file = changed(written, tmp_path / "evil.pt2", change)
        with pytest.raises(UserError, match=r"evil.pt2 is no model, or damaged \(it (holds|calls|computes) "):
            torch_file.opened(file)
        assert not mark.exists(), name


class Writes(torch.nn.Module):
    """It writes to a tensor, of which `to_file` makes a file."""

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        file = torch.zeros(4, dtype=torch.uint8)
        torch.ops.aten.copy_(file, torch.ones_like(file))
        return pixels.float() + file[0], pixels > 0, pixels.sum((1, 2, 3)), (pixels > 0).flatten(1).any(1)


def to_file(members: dict[str, bytes], path: Path) -> None:
    (name,) = [n for n in members if n.endswith("models/model.json")]
    program = json.loads(members[name])
    (node,) = [n for n in program["graph_module"]["graph"]["nodes"] if n["target"] == "torch.ops.aten.zeros.default"]
    arguments = {"filename": {"as_string": str(path)}, "shared": {"as_bool": True}, "size": {"as_int": 4}}
    dtype = [given | {"kind": 2} for given in node["inputs"] if given["name"] == "dtype"]
    node["inputs"] = [{"name": n, "arg": arg, "kind": 1} for n, arg in arguments.items()] + dtype
    node["target"] = "torch.ops.aten.from_file.default"
    members[name] = json.dumps(program).encode()


def test_a_program_that_would_write_to_a_file_is_refused(tmp_path: Path) -> None:
    """torch itself would read and run it."""
    own, pixels = tmp_path / "own.txt", torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    own.write_bytes(b"mine")
    with quietly():
        torch.export.save(torch.export.export(Writes(), (pixels,), strict=False), tmp_path / "made.pt2")
        evil = changed(tmp_path / "made.pt2", tmp_path / "evil.pt2", lambda members: to_file(members, own))
        plain = changed(evil, tmp_path / "plain.pt2", lambda members: emptied(members, "sample_inputs/model.pt"))
        torch.export.load(evil).module()(pixels)
    assert own.read_bytes() == b"\1" * 4, "the file does harm"
    own.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"plain.pt2 is no model, or damaged \(it calls torch.ops.aten.from_file.default\)"):
        torch_file.opened(plain)
    assert own.read_bytes() == b"mine"


def emptied(members: dict[str, bytes], end: str) -> None:
    members.update({name: b"" for name in members if name.endswith(end)})


def test_the_planted_pickle_would_have_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()
