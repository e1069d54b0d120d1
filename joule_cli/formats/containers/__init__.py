"""Containers of tables: how each kind of file stores named columns."""
