from pathlib import Path

import pytest
from tiny_models import write_light_sets, write_tiny_base


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder; to be read only."""
    return write_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def light_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes under four lights each; to be read only."""
    return write_light_sets(tmp_path_factory.mktemp("sets"))
