"""The PostgreSQL engine: few connections, which a fork leaves to its parent."""
