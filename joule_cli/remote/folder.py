"""Folder actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.folder import FolderActions
from joule_cli.api.references import folder_key
from joule_cli.errors import ApiError, FolderNotFound, InvalidReference
from joule_cli.remote.answers import require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.references import destination_body, find_folder, is_path, key_body
from joule_cli.remote.refusals import (
    changing_folder,
    deleting_folder,
    moving_folder,
    read_folder,
    told_apart,
)
from joule_cli.remote.session import LONG_WORK
from joule_cli.wire import endpoints
from joule_cli.wire.params import key_params

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef
    from joule_cli.model import Folder

#: Status of a known path without the asked method: the node has no such call.
_NO_SUCH_CALL = 405


class RemoteFolders(RemoteState, FolderActions):
    """The folder tree of a remote node."""

    async def folder_root(self) -> Folder:
        return read_folder(await self.session.get(endpoints.FOLDERS))

    async def folder_get(self, folder: FolderRef) -> Folder:
        key = find_folder(folder)
        answer = await self.session.get(endpoints.FOLDER, key_params(key), about=key)
        return read_folder(answer)

    async def folder_create(self, path: str, description: str | None = None) -> Folder:
        if not is_path(path):
            raise InvalidReference(f"invalid path [{path.encode('utf-8', 'replace').decode()}]")
        body = {"path": path, "description": description}
        try:
            return read_folder(await self.session.post(endpoints.FOLDER, body, about=path))
        except ApiError as error:
            if error.status != _NO_SUCH_CALL:
                raise
            return await self._existing(path, description, error)

    async def folder_move(self, source: FolderRef, destination: FolderRef) -> None:
        key = find_folder(source, "source")
        body = key_body(key, "src_") | destination_body(destination)
        async with told_apart(self.session, moving_folder(key, folder_key(destination))):
            await self.session.put(endpoints.FOLDER_MOVE, body, about=key)

    async def folder_update(self, folder: Folder) -> None:
        key = folder_key(folder)
        own: dict[str, Any] = {
            "id": folder.id,
            "name": folder.name,
            "description": folder.description,
            "locked": folder.locked,
            # what is below does not change, and could be too large for a request
            "children": [],
            "streams": [],
            "event_streams": [],
        }
        body = {"id": key, "folder": own}
        async with told_apart(self.session, changing_folder(key, folder.name)):
            await self.session.put(endpoints.FOLDER, body, about=folder.name)

    async def folder_delete(self, folder: FolderRef, recursive: bool = False) -> None:
        key = find_folder(folder)
        params = {"recursive": "1" if recursive else "0"} | key_params(key)
        async with told_apart(self.session, deleting_folder(key, recursive=recursive)):
            answer = await self.session.delete(
                endpoints.FOLDER, params, about=key, patience=LONG_WORK
            )
        require_ok(answer)

    async def _existing(self, path: str, description: str | None, refusal: ApiError) -> Folder:
        """Return a folder of a node that cannot create one."""
        try:
            folder = await self.folder_get(path)
        except FolderNotFound:
            raise ApiError(
                "this node cannot create an empty folder",
                object=path,
                hint="it makes folders for the first stream that is created in them",
            ) from refusal
        if description is not None and description != folder.description:
            folder.description = description
            await self.folder_update(folder)
        return folder
