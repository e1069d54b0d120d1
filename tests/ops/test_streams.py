"""Streams that another program creates at the same time."""

from __future__ import annotations

import pytest

from joule_cli.errors import ConflictError, NameTakenError
from joule_cli.model import DataStream, Element, EventStream
from joule_cli.ops.streams import Place, create_or_use
from tests.nodes import FileNode


@pytest.fixture
async def place(tmp_path):
    async with FileNode("a", tmp_path / "a.db") as node:
        yield Place(node, "/lab/x")


def model(datatype="float32"):
    return DataStream(name="x", datatype=datatype, elements=[Element("v")])


async def test_the_second_uses_what_the_first_has_created(place):
    first = await create_or_use(place, model())
    assert (await create_or_use(place, model())).id == first.id


async def test_another_layout_is_refused(place):
    await create_or_use(place, model())
    with pytest.raises(ConflictError, match="layout float32_1, not int16_1") as failure:
        await create_or_use(place, model("int16"))
    assert failure.value.object == "/lab/x"


async def test_an_event_stream_has_the_name(place):
    await place.node.event_stream_create(EventStream(name="x"), "/lab")
    with pytest.raises(NameTakenError):
        await create_or_use(place, model())
