"""Junk for the doors, in process: none of it may end in an answer of 5xx.

`python -m tests.fuzz --door account_link_api --examples 100000` runs one door for long and prints a table.
"""
