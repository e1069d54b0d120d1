"""``python -m benchmarks.workers MODULE:FUNCTION ARGUMENTS``: call, and print what it returns."""

from __future__ import annotations

import importlib
import json
import sys

module, _, function = sys.argv[1].partition(":")
body = getattr(importlib.import_module(f"benchmarks.workers.{module}"), function)
print(json.dumps(body(**json.loads(sys.argv[2])) or {}))
