from __future__ import annotations

import pytest

from tests.formats.containers.support import OPEN


@pytest.fixture(autouse=True)
def _close():
    yield
    while OPEN:
        OPEN.pop().close()
