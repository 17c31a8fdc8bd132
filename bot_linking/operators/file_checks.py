"""Where a SQLite file is: who else can read it, and whether it survives a restart of the machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bot_linking.doors.findings import Finding
from bot_linking.stores import sqlite_file
from bot_linking.stores.paths import real_path

MOUNTS = Path("/proc/self/mounts")
_GONE_AT_NEXT_START = {"tmpfs", "ramfs"}


def check_file(database: str, *, is_for_real: bool) -> Iterator[Finding]:
    """The findings about the file of a `sqlite:///` address; none about another database."""
    path = sqlite_file(database)
    if path is None:
        return
    try:
        real = real_path(path)
        for each in (path, Path(f"{real}-wal"), Path(f"{real}-shm")):
            yield from _modes(each)
    except OSError as problem:
        yield Finding("wrong", f"who can open {path} cannot be told: {problem.strerror}")
    kind = _file_system_of(path)
    if kind in _GONE_AT_NEXT_START:
        what = f"{path} is on {kind}, which is empty after the next start of the machine: use another folder"
        yield Finding("wrong" if is_for_real else "note", what)


def _modes(path: Path) -> Iterator[Finding]:
    """Who else can open the file. Windows has no such modes."""
    if os.name != "posix" or not path.exists():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        yield Finding("wrong", f"every user of this machine can open {path} (mode {mode:04o}): chmod 600 it")
    elif mode & stat.S_IRWXG:
        yield Finding("note", f"the group of {path} can open it (mode {mode:04o}); chmod 600 unless it must")


def _file_system_of(path: Path) -> str | None:
    """The kind of file system that holds a path; None where the system does not say."""
    try:
        mounts = MOUNTS.read_text("utf-8", "replace")
    except OSError:
        return None
    where, found = os.path.realpath(path), ("", "")
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if os.path.commonpath([where, point]) == point and len(point) >= len(found[0]):
            found = point, kind
    return found[1] or None
