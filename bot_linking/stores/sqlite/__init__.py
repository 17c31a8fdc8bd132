"""The SQLite engine: one connection for each thread, one writer at a time."""
