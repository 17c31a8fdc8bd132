"""Finds the processes that have a file open, before a database is replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def holders_of(*paths: Path) -> list[int]:
    """The ids of the processes that have one of these files open, our own included.

    Linux alone tells it, and only of processes that this user may look at; elsewhere the list is empty.
    """
    wanted = {_identity(path) for path in paths} - {None}
    if not wanted or not Path("/proc/self/fd").is_dir():
        return []
    return sorted(pid for pid in _processes() if any(each in wanted for each in _files_of(pid)))


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _files_of(pid: int) -> Iterator[tuple[int, int] | None]:
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:  # the process is another user's, or has ended
        return
    for number in numbers:
        yield _identity(f"{folder}/{number}")


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
