"""A store on a file in memory, where the system has such files: these tests are of the rules, not of the
disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot_linking.core.ports import Store
from bot_linking.stores import open_store


@pytest.fixture
def new_store() -> Iterator[Callable[[], Store]]:
    """Makes empty stores."""
    memory = Path("/dev/shm")
    stores: list[Store] = []
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:

        def make() -> Store:
            stores.append(open_store(f"sqlite:///{folder}/{len(stores)}.db"))
            return stores[-1]

        yield make
        for store in stores:
            store.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    return new_store()
