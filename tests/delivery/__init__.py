"""The outbox worker: at least once, in each person's order, and never for nothing."""
