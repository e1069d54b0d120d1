"""A node in this process: one SQLite file, no server."""
