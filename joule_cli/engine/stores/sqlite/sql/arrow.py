"""Columns handed to another library through the Arrow C stream interface, without copying.

The three C structures, filled by hand: what they need is little, and pyarrow would take longer to
load than most queries to run. A structure that the other side has taken over keeps a reference to
the Python object that owns its memory (`private_data`), until it calls `release`.

Source: Arrow columnar format, "The Arrow C data interface", "The Arrow C stream interface" and
"The Arrow PyCapsule Interface".
"""

from __future__ import annotations

import ctypes
import errno
from array import array
from contextlib import suppress
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    addressof,
    c_char_p,
    c_int,
    c_int64,
    c_void_p,
    cast,
    py_object,
)
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    import numpy.typing as npt

    _Body = Callable[..., Any]

#: Memory that columns are made of.
Buffer: TypeAlias = "npt.NDArray[np.generic] | array[Any] | bytes"
_NULLABLE = 2


class Field(NamedTuple):
    """Name and type of a column; the type is an Arrow format string."""

    name: str
    format: str


class Column(NamedTuple):
    """The buffers of a column, in the order that its format asks for; the first is validity."""

    buffers: tuple[Buffer | None, ...]
    null_count: int = 0


class Batch(NamedTuple):
    """Some rows of every column."""

    n_rows: int
    columns: list[Column]


class _Schema(Structure):
    pass


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", c_void_p),
    ("get_next", c_void_p),
    ("get_last_error", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
]

_api = ctypes.pythonapi
_api.Py_IncRef.argtypes = _api.Py_DecRef.argtypes = [py_object]
_api.Py_IncRef.restype = _api.Py_DecRef.restype = None
_api.PyCapsule_New.argtypes = [c_void_p, c_char_p, c_void_p]
_api.PyCapsule_New.restype = py_object
# the destructor gets an object that nothing refers to any more: it must stay a bare pointer
_api.PyCapsule_GetPointer.argtypes = [c_void_p, c_char_p]
_api.PyCapsule_GetPointer.restype = c_void_p
_api.PyCapsule_GetName.argtypes = [c_void_p]
_api.PyCapsule_GetName.restype = c_char_p
_api.PyCapsule_GetContext.argtypes = [c_void_p]
_api.PyCapsule_GetContext.restype = c_void_p
_api.PyCapsule_SetContext.argtypes = [py_object, c_void_p]


def _keep(structure: Any, owner: object) -> None:
    """Let the structure hold a reference to the owner of its memory."""
    _api.Py_IncRef(owner)
    structure.private_data = id(owner)


def _drop(structure: Any) -> None:
    owner = cast(structure.private_data, py_object).value
    structure.release = None
    _api.Py_DecRef(owner)


def _c_function(result: Any, *arguments: Any) -> Callable[[_Body], Any]:
    """Make a Python function callable from C, in any thread."""
    return CFUNCTYPE(result, *arguments)


@_c_function(None, POINTER(_Schema))
def _release_schema(pointer: Any) -> None:
    _release_tree(pointer.contents)


@_c_function(None, POINTER(_Array))
def _release_array(pointer: Any) -> None:
    _release_tree(pointer.contents)


def _release_tree(structure: Any) -> None:
    for index in range(structure.n_children):
        child = structure.children[index].contents
        # a child without `release` was moved away and lives on its own
        if child.release:
            _drop(child)
    _drop(structure)


_SCHEMA_RELEASE = cast(_release_schema, c_void_p).value
_ARRAY_RELEASE = cast(_release_array, c_void_p).value


def _fill_schema(schema: Any, fields: Sequence[Field]) -> None:
    # the other side gives memory with anything in it
    ctypes.memset(addressof(schema), 0, ctypes.sizeof(schema))
    children = [_Schema() for _ in fields]
    pointers = (POINTER(_Schema) * len(fields))(*map(ctypes.pointer, children))
    for child, field in zip(children, fields, strict=True):
        texts = (field.format.encode(), field.name.encode())
        child.format, child.name = texts
        child.flags = _NULLABLE
        child.release = _SCHEMA_RELEASE
        _keep(child, texts)
    schema.format, schema.name = b"+s", b""
    schema.n_children, schema.children = len(fields), pointers
    schema.release = _SCHEMA_RELEASE
    _keep(schema, (children, pointers))


def _fill_array(array: Any, batch: Batch) -> None:
    ctypes.memset(addressof(array), 0, ctypes.sizeof(array))
    children = []
    for column in batch.columns:
        child = _Array(length=batch.n_rows, null_count=column.null_count)
        _set_buffers(child, column.buffers)
        children.append(child)
    pointers = (POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    array.length, array.n_children, array.children = batch.n_rows, len(children), pointers
    _set_buffers(array, (None,), children, pointers)


def _set_buffers(array: Any, buffers: tuple[Buffer | None, ...], *kept: object) -> None:
    addresses = (c_void_p * len(buffers))(
        *(None if buffer is None else _address(buffer) for buffer in buffers)
    )
    array.n_buffers, array.buffers = len(buffers), addresses
    array.release = _ARRAY_RELEASE
    _keep(array, (addresses, buffers, *kept))


def _address(buffer: Buffer) -> int | None:
    if isinstance(buffer, bytes):
        return cast(c_char_p(buffer), c_void_p).value
    if isinstance(buffer, array):
        return buffer.buffer_info()[0]
    return buffer.ctypes.data


class _Export:
    """One pass over the batches; called by one thread at a time, from any thread."""

    def __init__(
        self,
        fields: Sequence[Field],
        batches: Generator[Batch, None, None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.fields = fields
        self.batches = batches
        self.fail = fail
        self.message = b""

    def call(self, body: Callable[[], None]) -> int:
        try:
            body()
        except BaseException as exc:  # noqa: BLE001  # C knows numbers only; `fail` gets the error
            self.message = str(exc).encode()
            self.fail(exc)
            return errno.EIO
        return 0

    def next(self, array: Any) -> None:
        batch = next(self.batches, None)
        if batch is None:
            array.release = None
        else:
            _fill_array(array, batch)


def _export_of(pointer: Any) -> _Export:
    export: _Export = cast(pointer.contents.private_data, py_object).value
    return export


@_c_function(c_int, POINTER(_Stream), POINTER(_Schema))
def _get_schema(pointer: Any, schema: Any) -> int:
    export = _export_of(pointer)
    return export.call(lambda: _fill_schema(schema.contents, export.fields))


@_c_function(c_int, POINTER(_Stream), POINTER(_Array))
def _get_next(pointer: Any, array: Any) -> int:
    export = _export_of(pointer)
    return export.call(lambda: export.next(array.contents))


@_c_function(c_void_p, POINTER(_Stream))
def _get_last_error(pointer: Any) -> int | None:
    return cast(c_char_p(_export_of(pointer).message), c_void_p).value


@_c_function(None, POINTER(_Stream))
def _release_stream(pointer: Any) -> None:
    export = _export_of(pointer)
    # nobody is left who could be told
    with suppress(BaseException):
        export.batches.close()
    _drop(pointer.contents)


@_c_function(None, c_void_p)
def _destroy(capsule: int) -> None:
    name = _api.PyCapsule_GetName(capsule)
    structure, release = _RELEASES[name]
    pointer = cast(_api.PyCapsule_GetPointer(capsule, name), POINTER(structure))
    owner = cast(_api.PyCapsule_GetContext(capsule), py_object).value
    # a consumer that has moved the structure has set `release` to NULL
    if pointer.contents.release:
        release(pointer)
    _api.Py_DecRef(owner)


_STREAM, _SCHEMA = b"arrow_array_stream", b"arrow_schema"
_RELEASES: dict[bytes, tuple[type[Structure], Any]] = {
    _STREAM: (_Stream, _release_stream),
    _SCHEMA: (_Schema, _release_schema),
}


def _capsule(structure: Structure, name: bytes) -> object:
    capsule = _api.PyCapsule_New(addressof(structure), name, cast(_destroy, c_void_p))
    _api.Py_IncRef(structure)
    _api.PyCapsule_SetContext(capsule, id(structure))
    return capsule


def schema_capsule(fields: Sequence[Field]) -> object:
    """Return the schema of a table as a capsule."""
    schema = _Schema()
    _fill_schema(schema, fields)
    return _capsule(schema, _SCHEMA)


def stream_capsule(
    fields: Sequence[Field],
    batches: Generator[Batch, None, None],
    fail: Callable[[BaseException], None],
) -> object:
    """Return a stream of batches as a capsule.

    Parameters
    ----------
    batches
        Asked for the next batch from whichever thread wants one; closed when the stream is.
    fail
        Called with what `batches` raised; the other side learns only that there was an error.
    """
    stream = _Stream(
        get_schema=cast(_get_schema, c_void_p),
        get_next=cast(_get_next, c_void_p),
        get_last_error=cast(_get_last_error, c_void_p),
        release=cast(_release_stream, c_void_p),
    )
    _keep(stream, _Export(fields, batches, fail))
    return _capsule(stream, _STREAM)
