"""SQL over a node file: DuckDB in this process, with the streams as tables that it reads lazily."""
