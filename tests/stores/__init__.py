"""Where links are saved: one contract for every store, then the failures of each database."""
