"""The SQLite engine: one connection a thread, one writer at a time."""
