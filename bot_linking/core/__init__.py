"""What linking means. Standard library only: no Flask, no HTTP, no SQL.

Begin with `ordering`, which says which event wins, and `linking`, the verbs. To add an event: a frozen
class in `events`, and a signal of the same name in `bot_linking.signals`; a row in `config/README.md`
documents it.
"""
