"""What linking means. Standard library only: no Flask, no HTTP, no SQL.

Begin with `ordering`, which decides which event wins, and `linking`, the verbs. To add an event, write
a frozen class in `events` with its signal declared below it, and run `python -m tests.house.guides`, which
writes its row into `config/README.md`.
"""
