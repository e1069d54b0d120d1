"""At most one server for a node file."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from joule_cli.engine.stores.sqlite.connection import converted_errors
from joule_cli.engine.stores.sqlite.node_file import open_lock, refuse_second_name
from joule_cli.errors import ConflictError
from joule_cli.part_file import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_server(path: Path) -> Iterator[None]:
    """Be the only server of a node file during a block.

    Two would do the file no harm, but subscribers at one would miss the rows sent to the other.
    The kernel releases the lock of a process that dies. It is of another kind than those of
    producers on the same file, and neither disturbs the other.

    Raises
    ------
    ConflictError
        Another process serves the file.
    FileMovedError
        The file has another name, by which another process may serve it.
    """
    with converted_errors(str(path)):
        make_folder(path.absolute().parent, private=True)
        refuse_second_name(path)
        descriptor = open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConflictError(
                "another process serves this node",
                object=str(path),
                hint="stop it first; commands may use the file while it is served",
            ) from exc
        yield
    finally:
        os.close(descriptor)
