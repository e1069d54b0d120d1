"""Follow live rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from joule_cli.cli._output import warn
from joule_cli.errors import SubscriptionError
from joule_cli.model.data_stream import KEEP_NONE
from joule_cli.ops.live import export_live

if TYPE_CHECKING:
    from joule_cli.errors import ApiError
    from joule_cli.ops.export import OpenWriter
    from joule_cli.ops.live import LiveOptions
    from joule_cli.ops.progress import ProgressCallback, Step
    from joule_cli.ops.streams import FoundStream


async def follow_rows(
    source: FoundStream,
    open_writer: OpenWriter,
    options: LiveOptions,
    progress: ProgressCallback,
) -> int:
    """Give out live rows and return their number; a signal is the usual end."""
    refuse_unkept(source)
    count = 0

    def counted(step: Step) -> None:
        nonlocal count
        count = step.rows
        progress(step)

    def tell(error: ApiError) -> None:
        warn(f"{error.sentence()}; trying again")

    try:
        await export_live(source, open_writer, options, counted, tell)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
    return count


def refuse_unkept(source: FoundStream) -> None:
    """Refuse to follow rows that cannot be shown.

    Raises
    ------
    SubscriptionError
        The stream of a node file keeps none.
    """
    if source.node.embedded and source.model.keep_us == KEEP_NONE:
        # others write to the file, but not these rows
        raise SubscriptionError(
            "the stream keeps no rows, so that they do not get into the file",
            object=source.path,
            hint="they can be followed on a served node that they are written to",
        )
