"""Junk for the doors, in process: no answer may be a 5xx.

`python -m tests.fuzz --door account_link_api --examples 100000` runs one door for long and prints a table.
"""
