"""What can be configured, and how a value is read and judged.

Begin with `settings`, the table. To add a setting: one row there, with its meaning beside it, and its row
in `config/README.md`.
"""
