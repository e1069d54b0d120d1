"""What the parts of a store have in common."""

from __future__ import annotations

from joule_cli.errors import UnsupportedError


class Part:
    """A group of methods of which a store may have some only: the others raise."""

    def unsupported(self, what: str) -> UnsupportedError:
        """Return the error for something that this store cannot do."""
        return UnsupportedError(f"the store of this node cannot {what}")
