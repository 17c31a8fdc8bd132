"""Two stores of one process on one file, as two apps of one server have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore

from .given import NOW

_WRITE_AND_CLOSE = """
import sys
from bot_linking.stores import open_store
store = open_store(sys.argv[1])
store.hit("theirs", 2, 1)
store.close()
"""


def test_opening_a_second_store_drops_no_lock_of_the_first(sqlite_store: SQLStore, path: Path) -> None:
    """Otherwise another process that closes its connection takes itself for the last one, and deletes the
    log."""
    sqlite_store.hit("ours", NOW + 1, NOW)
    second = open_store(f"sqlite:///{path}")
    command = [sys.executable, "-c", _WRITE_AND_CLOSE, f"sqlite:///{path}"]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=60)
    assert path.with_name(path.name + "-wal").exists()
    assert sqlite_store.hit("ours", NOW + 1, NOW) == 2
    assert second.hit("ours", NOW + 1, NOW) == 3
    second.close()
