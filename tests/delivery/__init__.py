"""The outbox worker: it delivers at least once, in each person's order."""
