"""Folder actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef
    from joule_cli.model import Folder


class FolderActions(ABC):
    """The folder tree. Source: Joule API reference, "Folder Actions"."""

    @abstractmethod
    async def folder_root(self) -> Folder:
        """Return the root folder with the whole tree below it.

        Notes
        -----
        Wire: ``GET /folders.json``.
        """

    @abstractmethod
    async def folder_get(self, folder: FolderRef) -> Folder:
        """Return a folder with everything below it.

        Raises
        ------
        FolderNotFound
            The reference names no folder.

        Notes
        -----
        Wire: ``GET /folder.json``.
        """

    @abstractmethod
    async def folder_create(self, path: str, description: str | None = None) -> Folder:
        """Create a folder with all missing ancestors, or return the one that exists.

        Parameters
        ----------
        path
            Absolute path.
        description
            Set on the folder when given.

        Raises
        ------
        InvalidReference
            The path is not well formed.

        Notes
        -----
        An extension: Joule 1.0.1 creates folders only with their first stream.
        """

    @abstractmethod
    async def folder_move(self, source: FolderRef, destination: FolderRef) -> None:
        """Move `source` into the folder `destination`, which is created when it is a new path.

        Raises
        ------
        FolderNotFound
            `source`, or the id `destination`, names no folder.
        LockedError
            `source` is the root or holds a locked stream.
        NameTakenError
            The destination has a folder of that name.
        ConflictError
            The destination lies inside `source`.

        Notes
        -----
        Wire: ``PUT /folder/move.json``.
        """

    @abstractmethod
    async def folder_update(self, folder: Folder) -> None:
        """Store the name and the description of `folder`.

        Raises
        ------
        FolderNotFound
            No folder has this id.
        LockedError
            The folder is the root or holds a locked stream.
        NameTakenError
            A sibling has the name.
        ApiError
            The name is empty or contains ``/``.

        Notes
        -----
        Wire: ``PUT /folder.json``.
        """

    @abstractmethod
    async def folder_delete(self, folder: FolderRef, recursive: bool = False) -> None:
        """Delete a folder with its streams and their data.

        Parameters
        ----------
        recursive
            Also delete child folders; without it their presence is an error.

        Raises
        ------
        FolderNotFound
            The reference names no folder.
        LockedError
            The folder is the root or holds a locked stream.
        ConflictError
            There are child folders and `recursive` is false.

        Notes
        -----
        Wire: ``DELETE /folder.json``.
        """
