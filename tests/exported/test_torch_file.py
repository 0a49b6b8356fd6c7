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


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = torch.vmap(lambda one: one.float() * self.weight)(pixels)
        return x, x > 0, x.sum((1, 2, 3)), (x > 0).flatten(1).any(1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from anomaly_lab.exported.program import quietly

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
        "a guard": in_json("models/model.json", '"guards_code": []', f'"guards_code": [{json.dumps(planted)}]'),
    }
    for name, change in changes.items():
        file = changed(written, tmp_path / "evil.pt2", change)
        with pytest.raises(UserError, match=r"evil.pt2 is no model, or damaged \(it (holds|calls|computes) "):
            torch_file.opened(file)
        assert not mark.exists(), name


def test_the_planted_pickle_would_have_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()
