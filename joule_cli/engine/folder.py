"""Folder actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.folder import FolderActions
from joule_cli.engine.base import EngineState, mark_below
from joule_cli.engine.references import destination_at, folder_at, new_folder_at
from joule_cli.engine.validation import check_name, check_optional_text

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef
    from joule_cli.model import Folder


class EmbeddedFolders(EngineState, FolderActions):
    """The folders of a store."""

    async def folder_root(self) -> Folder:
        return await self.folder_get("/")

    async def folder_get(self, folder: FolderRef) -> Folder:
        return await self._with_flags(await self.storage.metadata.folder(folder_at(folder)))

    async def folder_create(self, path: str, description: str | None = None) -> Folder:
        made = await self.storage.metadata.create_folder(
            new_folder_at(path), check_optional_text(description, "description")
        )
        return await self._with_flags(made)

    async def folder_move(self, source: FolderRef, destination: FolderRef) -> None:
        await self.storage.metadata.move_folder(
            folder_at(source, "source"), destination_at(destination)
        )

    async def folder_update(self, folder: Folder) -> None:
        key = folder_at(folder)
        description = check_optional_text(folder.description, "description")
        await self.storage.metadata.update_folder(key, check_name(folder.name), description)

    async def folder_delete(self, folder: FolderRef, recursive: bool = False) -> None:
        await self.storage.metadata.delete_folder(folder_at(folder), recursive=recursive)
        await self.storage.release_space()

    async def _with_flags(self, folder: Folder) -> Folder:
        if active := await self.storage.claims.active():
            mark_below(folder, active)
        return folder
