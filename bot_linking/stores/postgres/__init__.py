"""The PostgreSQL engine: a small pool of connections, which a forked child does not use."""
