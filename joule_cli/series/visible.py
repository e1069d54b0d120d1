"""Texts from data and files, made harmless for a terminal.

A name may hold any character. Shown as it is, it could move the cursor, set the title of the
window, begin a line that looks like another answer, or turn what stands beside it around.
"""

from __future__ import annotations

#: Marks, embeddings, overrides and isolates of bidirectional text, and what ends a line besides.
_TURNING = (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{code: f"\\u{code:04x}" for code in _TURNING},
    **{ord(character): repr(character)[1:-1] for character in "\t\n\r"},
}
_ESCAPES_IN_LINES = {code: text for code, text in _ESCAPES.items() if chr(code) not in "\t\n"}


def one_line(text: str) -> str:
    """Return text with such characters escaped, so that it stays on its line."""
    return text.translate(_ESCAPES)


def lines_of(text: str) -> str:
    """Return text with such characters escaped except for line ends and tabs."""
    return text.translate(_ESCAPES_IN_LINES)
