"""Any Unicode text without a slash is a name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from tests.contracts.streams import flow

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from joule_cli.api.node import Node

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)


def compare_names(fresh_node: Callable[[], AbstractAsyncContextManager[Node]]) -> None:
    """Find folders and streams again by whatever names they were given."""

    @given(folder=texts, stream=texts, description=st.none() | texts)
    @example(folder="a\0b", stream="a\0", description="\0")
    @example(folder=".", stream="..", description="")
    def check(folder: str, stream: str, description: str | None) -> None:
        async def run() -> None:
            async with fresh_node() as node:
                path = f"/{folder}/{stream}"
                new = flow(stream, description=description)
                created = await node.data_stream_create(new, f"/{folder}")
                found = await node.data_stream_get(path)
                assert (found.id, found.name) == (created.id, stream)
                assert found.description == description
                root = await node.folder_root()
                assert [(p, s.id) for p, s in root.streams()] == [(path, created.id)]

        asyncio.run(run())

    check()
