"""Folder actions on a node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.folder import FolderActions
from joule_cli.api.references import folder_key
from joule_cli.engine import metadata, space, tree
from joule_cli.engine.base import EngineState
from joule_cli.engine.validation import DEEPEST, check_name, check_optional_text
from joule_cli.errors import ConflictError, LockedError, NameTakenError

if TYPE_CHECKING:
    import apsw

    from joule_cli.api.references import FolderRef
    from joule_cli.model import Folder

_TAKEN = "a folder with this name is in the destination folder"


class EmbeddedFolders(EngineState, FolderActions):
    """The folder tree of a node file."""

    async def folder_root(self) -> Folder:
        return await self.database.read(lambda c: self._tree(c, metadata.root_id(c)))

    async def folder_get(self, folder: FolderRef) -> Folder:
        key = folder_key(folder)
        return await self.database.read(lambda c: self._tree(c, metadata.find_folder(c, key)))

    async def folder_create(self, path: str, description: str | None = None) -> Folder:
        now = self._clock()

        def create(connection: apsw.Connection) -> Folder:
            folder_id = metadata.create_folder_path(connection, path, now)
            if check_optional_text(description, "description") is not None:
                connection.execute(
                    "UPDATE folder SET description = ? WHERE id = ?", (description, folder_id)
                )
                metadata.touch_folder(connection, folder_id, now)
            return self._tree(connection, folder_id)

        return await self.database.write(create)

    async def folder_move(self, source: FolderRef, destination: FolderRef) -> None:
        source_key = folder_key(source, "source")
        destination_key = folder_key(destination, "destination")
        now = self._clock()

        def move(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, source_key)
            parent = metadata.find_destination(connection, destination_key, now)
            name, former = connection.execute(
                "SELECT name, parent_id FROM folder WHERE id = ?", (folder_id,)
            ).get
            about = source_key if isinstance(source_key, str) else name
            if metadata.folder_named(connection, parent, name) is not None:
                raise NameTakenError(_TAKEN, object=about)
            if parent in tree.folders_below(connection, folder_id):
                raise ConflictError("cannot place a parent in a child folder", object=about)
            if tree.depth(connection, parent) + 1 + tree.height(connection, folder_id) > DEEPEST:
                raise ConflictError(f"folders can be nested {DEEPEST} deep at most", object=about)
            connection.execute("UPDATE folder SET parent_id = ? WHERE id = ?", (parent, folder_id))
            metadata.touch_folder(connection, former, now)
            metadata.touch_folder(connection, folder_id, now)

        await self.database.write(move)

    async def folder_update(self, folder: Folder) -> None:
        key = folder_key(folder)
        now = self._clock()

        def update(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, key)
            name = check_name(folder.name)
            description = check_optional_text(folder.description, "description")
            parent = connection.execute(
                "SELECT parent_id FROM folder WHERE id = ?", (folder_id,)
            ).get
            if metadata.folder_named(connection, parent, name) not in (None, folder_id):
                raise NameTakenError(_TAKEN, object=name)
            connection.execute(
                "UPDATE folder SET name = ?, description = ? WHERE id = ?",
                (name, description, folder_id),
            )
            metadata.touch_folder(connection, folder_id, now)

        await self.database.write(update)

    async def folder_delete(self, folder: FolderRef, recursive: bool = False) -> None:
        key = folder_key(folder)
        now = self._clock()

        def delete(connection: apsw.Connection) -> None:
            folder_id = self._unlocked_folder(connection, key)
            below = tree.folders_below(connection, folder_id)
            if len(below) > 1 and not recursive:
                raise ConflictError(
                    "specify [recursive] or remove child folders first", object=str(key)
                )
            parent = connection.execute(
                "SELECT parent_id FROM folder WHERE id = ?", (folder_id,)
            ).get
            tree.delete_folder(connection, folder_id)
            metadata.touch_folder(connection, parent, now)

        await self.database.write(delete)
        await space.release(self.database)

    def _tree(self, connection: apsw.Connection, folder_id: int) -> Folder:
        return tree.load_folder(connection, folder_id, self.producers.active_streams())

    def _unlocked_folder(self, connection: apsw.Connection, key: str | int) -> int:
        """Return the id of a folder that may be changed."""
        folder_id = metadata.find_folder(connection, key)
        active = self.producers.active_streams()
        if folder_id == metadata.root_id(connection) or (
            active and active & tree.streams_below(connection, folder_id)
        ):
            raise LockedError("folder is locked", object=str(key))
        return folder_id
