"""What the action groups of a remote node share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.remote.session import Session


class RemoteState:
    """The connections, which `RemoteNode` provides."""

    session: Session
