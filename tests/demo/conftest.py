from __future__ import annotations

import pytest

from demo.generate import write_demo_shop
from tests.demo.written import NOW, Written, rows_of


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The whole catalog with a quarter of the shoppers."""
    files = write_demo_shop(tmp_path_factory.mktemp("demo"), products=3200, shoppers=500, now=NOW)
    return Written(files, rows_of(files.catalog), rows_of(files.events), rows_of(files.orders))
