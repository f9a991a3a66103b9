from pathlib import Path

import pytest

from demo.generate import write_demo_shop


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop's whole catalog."""
    return write_demo_shop(tmp_path_factory.mktemp("demo"), shoppers=1).catalog
