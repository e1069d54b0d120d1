"""Write the manual pages and the completion scripts of a checkout.

``python -m joule_cli.cli._artifacts`` writes them below the current directory. Run it after every
change of a command, an option or a topic; a test compares the files.
"""

from __future__ import annotations

import sys
from pathlib import Path

from joule_cli.cli._artifacts.files import artifacts


def main() -> None:
    """Write every file, and remove manual pages of commands that no longer exist."""
    root = Path.cwd()
    if not (root / "man").is_dir():
        sys.exit("Error: there is no folder 'man' here; run it in a checkout of joule-cli")
    files = artifacts()
    for page in (root / "man").iterdir():
        if f"man/{page.name}" not in files:
            page.unlink()
    for name, text in files.items():
        (root / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
