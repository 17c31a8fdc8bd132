"""What operators use: the `flask linking` commands, and the operator's page in `desk`.

Begin with `commands`, which lists every command. To add one: a function in the module of its kind, in that
module's list, and a section in `operators/README.md`.
"""
