"""The files that an operator names, read by lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext

import click

from bot_linking.operators.terminal import READ_AS, safe


def lines_in(name: str) -> Iterator[bytes]:
    """The lines of this file; of standard input for `-`. A file that cannot be opened, or not be read to its
    end, ends the command with one sentence and exit status 1."""
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
            yield from file
    except OSError as problem:
        raise click.ClickException(f"{safe(name)} cannot be read: {problem.strerror or problem}") from None


def texts_in(name: str) -> Iterator[str]:
    """The same as text, without line ends. What is not UTF-8 is replaced, so that its line is a bad one."""
    for line in lines_in(name):
        yield from line.decode(READ_AS, "replace").splitlines()
