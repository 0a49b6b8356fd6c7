"""The embedded data set, written once per session."""

import os
from pathlib import Path

import pytest

from anomaly_lab.data.synthetic.catalogue import SAMPLERS
from anomaly_lab.data.synthetic.reader import ensure
from data.synthetic.files import COUNTS


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's categories are; pytest-xdist's workers share it."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "synthetic"


@pytest.fixture(scope="session", params=SAMPLERS)
def folder(request: pytest.FixtureRequest, root: Path) -> Path:
    """Each category in turn."""
    return ensure(root, request.param, COUNTS)
