"""The default store: chunks of rows in the same SQLite file as the metadata."""
