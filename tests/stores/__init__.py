"""Where a link is saved: one contract for every store, then what SQLite alone can do wrong."""
