"""What the tests of several data modules share."""

import pytest

from anomaly_lab.data.folder import Sample
from data.maps import map_of_itself, stored


@pytest.fixture(scope="session")
def maps(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Five images of 60 x 90 pixels that are maps of themselves."""
    return stored(tmp_path_factory.mktemp("maps"), [map_of_itself(i, 60, 90) for i in range(5)])
