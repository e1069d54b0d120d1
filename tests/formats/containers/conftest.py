from __future__ import annotations

import pytest

from tests.formats.containers.support import close_all


@pytest.fixture(autouse=True)
def _close():
    yield
    close_all()
