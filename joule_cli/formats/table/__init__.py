"""The one interpretation of tables: named columns of any container become rows."""
