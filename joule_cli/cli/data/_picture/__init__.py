"""Pictures of streams, for `joule data plot --png` and `--svg`.

Only `drawing` and what it imports need matplotlib; `marks` reads what a picture shows beside rows.
"""
