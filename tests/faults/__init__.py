"""Power cuts, kills and damage: what the node keeps, and what it tells.

Short by default; ``python -m pytest -m slow tests/faults`` runs a thousand of each.
"""
