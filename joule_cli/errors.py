"""The whole exception tree.

::

    JouleError                      message, object, hint; code, status, exit_code on the class
    ├── ConfigurationError          registry and configuration files
    ├── TimeFormatError             a time or duration that cannot be read (also a ValueError)
    ├── ApiError                    all that a Node method raises
    │   ├── InvalidReference        a stream or folder reference of the wrong type
    │   │   ├── InvalidDataStreamParameter
    │   │   └── InvalidEventStreamParameter
    │   ├── NotFoundError           FolderNotFound, StreamNotFound, AnnotationNotFound,
    │   │                           ModuleNotFound, ProxyNotFound, MasterNotFound, FollowerNotFound
    │   ├── ConflictError           NameTakenError, LockedError, StreamInUseError
    │   ├── AuthorizationError      missing or wrong key
    │   ├── DataError               NonMonotonicError, DuplicateTimestampError, DecimationError,
    │   │   │                       LayoutMismatchError, CorruptChunkError, InvalidEventError,
    │   │   │                       FilterError
    │   │   └── InvalidValuesError
    │   │       └── MissingValuesError
    │   ├── StorageError            the node's file cannot be opened, read or written
    │   │   ├── DiskFullError
    │   │   ├── FileMovedError
    │   │   └── IncompatibleFileError
    │   ├── UnsupportedError        the node cannot do it, as one of Joule 1.0.1
    │   ├── QueryError              SQL that cannot be run; the hint shows the place
    │   ├── MissingExtraError       a package that comes with an extra is not installed
    │   ├── SubscriptionError       the stream is not being produced
    │   ├── NodeUnreachableError    no connection can be made
    │   │   ├── CertificateError    the node's certificate is not trusted
    │   │   └── NodeTimeoutError    no answer in time
    │   ├── TransferCutError        the connection was lost before the answer or the rows were whole
    │   └── ProtocolError           an answer this client cannot read
    ├── ElementNamesError           columns or elements that are called otherwise than wanted
    ├── PipeError                   all that a pipe raises
    │   ├── EmptyPipeError
    │   └── ClosedPipeError
    └── FormatError                 a file that cannot be read or written: file, position, reason

Nothing in this project tells errors apart by their text.
"""

from __future__ import annotations

import re


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _names(message: str, name: str) -> bool:
    """Tell whether a message has a name in it, not just as a part of a longer word."""
    return re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", message) is not None


class JouleError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    message
        One sentence for a person, without a full stop.
    object
        What it is about: a path, a name, a file.
    hint
        The remedy, if one is known.
    """

    code = "joule_error"
    status: int | None = None
    exit_code = 1

    def __init__(
        self, message: str = "", *, object: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.object = object
        self.hint = hint

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = _snake(cls.__name__)

    def sentence(self) -> str:
        """Return the message with the object it is about, for a terminal."""
        if self.object is None or _names(self.message, self.object):
            return self.message
        return f"{self.message}: {self.object}"


class ConfigurationError(JouleError):
    """The node registry or a configuration file cannot be used."""


class TimeFormatError(JouleError, ValueError):
    """A text is not a time or a duration, or it could mean more than one."""


class ApiError(JouleError):
    """A call of a node failed.

    `str()` shows the status that the failure has on the wire, as in
    ``folder does not exist [404]``.

    Attributes
    ----------
    stored
        Events of the call that were stored before it failed, in requests of their own.
    unsure
        How many follow that were sent, and of which any part may be stored.
    """

    status: int | None = 400
    stored = 0
    unsure = 0

    def __str__(self) -> str:
        return self.message if self.status is None else f"{self.message} [{self.status}]"


class InvalidReference(ApiError):
    """A folder, stream or annotation reference has the wrong type, or names nothing possible."""


class InvalidDataStreamParameter(InvalidReference):
    """Not a DataStream, a path or an id."""


class InvalidEventStreamParameter(InvalidReference):
    """Not an EventStream, a path or an id."""


class NotFoundError(ApiError):
    """The reference is well formed and names nothing that exists."""

    status = 404


class FolderNotFound(NotFoundError):
    """No such folder."""


class StreamNotFound(NotFoundError):
    """No such data stream or event stream."""


class AnnotationNotFound(NotFoundError):
    """No such annotation."""


class ModuleNotFound(NotFoundError):
    """No such module."""


class ProxyNotFound(NotFoundError):
    """No such proxy."""


class MasterNotFound(NotFoundError):
    """No such user or node controls this one."""


class FollowerNotFound(NotFoundError):
    """No such node is controlled by this one."""


class ConflictError(ApiError):
    """The node's present state does not allow the change."""


class NameTakenError(ConflictError):
    """The name is already used in the folder."""


class LockedError(ConflictError):
    """The folder or stream is in use or statically configured."""


class StreamInUseError(ConflictError):
    """Another producer is writing to the stream."""


class AuthorizationError(ApiError):
    """The key is missing or wrong."""

    status = 403


class DataError(ApiError):
    """Rows, or a request for rows, that the node refuses."""


class NonMonotonicError(DataError):
    """Timestamps do not increase strictly."""


class InvalidValuesError(DataError):
    """Values that cannot be stored, such as NaN."""


class MissingValuesError(InvalidValuesError):
    """Missing values (NaN) for a stream or a node that cannot hold them."""


class DuplicateTimestampError(DataError):
    """A timestamp exists in the stream already.

    Attributes
    ----------
    timestamp : int or None
        The first such one, µs, where it is known.
    """

    timestamp: int | None = None


class InvalidEventError(DataError):
    """An event that cannot be stored: its times or its content."""


class LayoutMismatchError(DataError):
    """The rows do not have the stream's datatype or number of elements."""


class DecimationError(DataError):
    """Decimated rows cannot be provided."""


class FilterError(DataError):
    """A filter of events that cannot be read."""


class CorruptChunkError(DataError):
    """Stored rows fail their checksum or cannot be decoded."""

    status = 500


class StorageError(ApiError):
    """The node's file cannot be opened, read or written."""

    status = 500


class DiskFullError(StorageError):
    """No space is left for the node's file; nothing of the refused change was stored."""

    status = 507


class FileMovedError(StorageError):
    """The open file is not the one at the node's path, or has a second name; nothing is written.

    What was refused was not stored in a file that others will read.
    """

    status = 503
    exit_code = 4


class IncompatibleFileError(StorageError):
    """The file is not a node, or needs another version of this program or of SQLite."""


class UnsupportedError(ApiError):
    """The node cannot do what nodes of this package can."""

    status: int | None = None


class QueryError(ApiError):
    """SQL that cannot be run, or that failed; the hint shows the place in it."""


class MissingExtraError(ApiError):
    """Something that only an extra of this package installs is needed."""

    status: int | None = None


class SubscriptionError(ApiError):
    """The stream is not being produced."""


class NodeUnreachableError(ApiError):
    """No connection to the node can be made."""

    status: int | None = None


class CertificateError(NodeUnreachableError):
    """The certificate of the node is not trusted, or is for another host."""


class NodeTimeoutError(NodeUnreachableError):
    """The node sends nothing for longer than the time limit."""


class TransferCutError(ApiError):
    """The connection was lost before the answer, or the rows, were complete.

    A change that was asked for may or may not have been made.
    """

    status: int | None = None


class ProtocolError(ApiError):
    """The node gave an answer that this client cannot read."""

    status = None


class ElementNamesError(JouleError):
    """Names of columns or elements do not fit those of the elements they are for."""


class PipeError(JouleError):
    """A pipe was used in a way that it does not allow, or its other end failed."""


class EmptyPipeError(PipeError):
    """The pipe is closed and every row has been read."""


class ClosedPipeError(PipeError):
    """The pipe was closed before this write or read."""


class FormatError(JouleError):
    """A file cannot be read or written in its format.

    Parameters
    ----------
    message
        The reason.
    file
        The file's name, ``-`` for standard input or output.
    line, column
        Position in a text file, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, object=file, hint=hint)
        self.file = file
        self.line = line
        self.column = column

    def sentence(self) -> str:
        """Return ``file:line:column: reason``, as compilers print it."""
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p is not None)
        return f"{place}: {self.message}" if place else self.message
