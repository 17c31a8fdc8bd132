"""For those who run it: the `flask linking` commands and what `check` looks at.

Begin with `commands`, which lists every command. To add one: a function in the module of its kind, in that
list, and a section in `operators/README.md`.
"""
