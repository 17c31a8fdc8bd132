"""What linking means. Standard library only: no Flask, no HTTP, no SQL."""
