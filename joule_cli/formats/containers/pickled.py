"""Lists of names that PyTables pickles, read without running what a pickle can say."""

from __future__ import annotations

import pickletools
from typing import Any

import numpy as np

#: Pickles of names are far shorter.
_LONGEST = 1 << 24


class Unread:
    """Something in a pickle that is neither a list, a dict, a number nor a text."""


_MARK = Unread()
#: Take that many items from the stack and leave one that is not read.
_CALLS = {"REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3, "STACK_GLOBAL": 2, "INST": 0, "GLOBAL": 0}
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def read_pickled(value: Any) -> Any:
    """Return what an attribute says: itself, or the lists, dicts and texts of its pickle.

    What a pickle would call or create is an `Unread` in its place; what cannot be read is `None`.
    """
    text = value.item() if isinstance(value, np.generic | np.ndarray) and value.size == 1 else value
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogateescape")
    if isinstance(value, np.ndarray) and value.ndim:
        return value.tolist()
    if not isinstance(text, bytes):
        return text if isinstance(text, int | float) else None
    if not text.endswith(b".") or len(text) > _LONGEST:
        return text.decode("utf-8", "replace")
    try:
        return _run(text)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return text.decode("utf-8", "replace")


def _run(text: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(text):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT"):
            stack.append({} if name == "EMPTY_DICT" else [] if name == "EMPTY_LIST" else ())
        elif name in ("LIST", "TUPLE", "DICT"):
            items = _popped(stack)
            pairs = zip(items[::2], items[1::2], strict=True) if name == "DICT" else ()
            stack.append(tuple(items) if name == "TUPLE" else dict(pairs) if pairs else items)
            if name == "DICT" and not pairs:
                stack[-1] = {}
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name in ("APPEND", "APPENDS"):
            items = _popped(stack) if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = _popped(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            if isinstance(stack[-1], dict):
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "BUILD":
            stack.pop()
        elif name == "STOP":
            return stack.pop()
        elif name in _CALLS:
            del stack[len(stack) - _CALLS[name] :]
            stack.append(Unread())
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(name)
    raise ValueError("no end")


def _popped(stack: list[Any]) -> list[Any]:
    """Take what stands above the last mark."""
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise ValueError("no mark")
    items = stack[at + 1 :]
    del stack[at:]
    return items
