"""The table of erasures, and its copy in a file beside the database, for when the database is lost."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import PayloadUnreadable, StoreUnavailable
from bot_linking.core.links import iso_of, to_ms
from bot_linking.core.ports.erasures import Erasure
from bot_linking.core.reading import read_json, require_storable
from bot_linking.stores.engine import Engine, Tx
from bot_linking.stores.family import Family
from bot_linking.stores.paths import real_path

SUFFIX = ".erased"
PORTION = 500
_LONGEST_LINE = 512
_log = logging.getLogger("bot_linking")


class Erasures(Family):
    """`core.ports.Erasures` over an engine."""

    def list_erasures(self, since: int = 0) -> Iterator[Erasure]:
        return _listed(self.engine, since)

    def add_erasures(self, erasures: Iterable[Erasure]) -> None:
        def add(tx: Tx) -> None:
            for each in some:
                save_erasure(tx, each)

        rest = iter(erasures)
        while some := list(islice(rest, PORTION)):
            self.engine.write(add)


def erasure_of(page_id: str | None, psid: str, now: int) -> Erasure:
    """The entry for a person who is erased now."""
    return Erasure(now, page_id or "", digest_of(psid))


def save_erasure(tx: Tx, erasure: Erasure) -> None:
    tx.put(
        "save_erasure",
        erased_at=erasure.erased_at,
        page_id=erasure.page_id,
        psid_digest=erasure.psid_digest,
    )


def _listed(engine: Engine, since: int) -> Iterator[Erasure]:
    last = Erasure(since - 1, "", "")
    while True:
        rows = engine.read(
            "list_erasures",
            erased_at=last.erased_at,
            page_id=last.page_id,
            psid_digest=last.psid_digest,
            limit=PORTION,
        )
        yield from (Erasure(**row) for row in rows)
        if len(rows) < PORTION:
            return
        last = Erasure(**rows[-1])


# The file beside the database


def list_beside(database: Path) -> Path:
    """The file that holds the same list, one JSON object a line: one list, by whatever link the database is
    opened."""
    database = real_path(database)
    return database.with_name(database.name + SUFFIX)


def bring_up_to_date(path: Path, engine: Engine, made: Erasure) -> None:
    """Add to the file the erasure that was just made, and the newer ones of the table. A failure is logged
    and not raised, as the table has all of them."""
    try:
        last = _last_in(path)
        newer = {made, *_listed(engine, last.erased_at if last else 0)} - {last}
        append(path, sorted(newer))
    except (OSError, StoreUnavailable) as problem:
        _log.warning("the list of erasures %s is not up to date: %s", path, problem)


def read_list(lines: Iterable[str]) -> tuple[set[Erasure], int]:
    """The erasures in these lines, and the number of lines that cannot be read: a process that was killed may
    leave half a line."""
    found, bad = set[Erasure](), 0
    for line in filter(str.strip, lines):
        try:
            found.add(_erasure(line))
        except ValueError:
            bad += 1
    return found, bad


def line_of(erasure: Erasure) -> dict[str, Any]:
    """The same as plain JSON values: the time in RFC 3339, and null for every page."""
    return {
        "erased_at": iso_of(erasure.erased_at),
        "page_id": erasure.page_id or None,
        "psid_digest": erasure.psid_digest,
    }


def write_list(path: Path, erasures: Iterable[Erasure]) -> None:
    """Replace the list in the file."""
    partial = path.with_name(path.name + ".partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    append(partial, erasures)
    os.replace(partial, path)


def append(path: Path, erasures: Iterable[Erasure]) -> None:
    """Add to a file with mode 0600; the lines are on disk when this returns."""
    text = "".join(json.dumps(line_of(each)) + "\n" for each in erasures).encode()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            text = text if file.read(1) == b"\n" else b"\n" + text  # a process was killed within a line
        file.write(text)
        os.fsync(file.fileno())


def _last_in(path: Path) -> Erasure | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE))
            lines = file.read().decode().splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        with suppress(ValueError):
            return _erasure(line)
    return None


def _erasure(line: str) -> Erasure:
    try:
        value = read_json(line.encode())
        erased_at = to_ms(datetime.fromisoformat(value["erased_at"]))
        digest, page_id = str(value["psid_digest"]), str(value["page_id"] or "")
        require_storable(digest=digest, page_id=page_id)
    except (PayloadUnreadable, KeyError, TypeError, OverflowError):
        raise ValueError("is not an entry of the list of erasures") from None
    return Erasure(erased_at, page_id, digest)
