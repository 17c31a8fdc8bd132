"""What can be configured, and how a value is read and judged."""
