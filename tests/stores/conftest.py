"""The stores under contract. To test another engine, add an entry to `DATABASES` and to `PLACES`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import ready

from .given import DATABASES, PLACES


@pytest.fixture(params=sorted(DATABASES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without rows, of each kind in turn."""
    with DATABASES[request.param](tmp_path) as address:
        yield address


@pytest.fixture(params=sorted(PLACES))
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An address at which there are no tables yet, of each kind in turn."""
    with PLACES[request.param](tmp_path) as address:
        yield address


@pytest.fixture
def store(url: str) -> Iterator[SQLStore]:
    store = open_store(url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "links.db"


@pytest.fixture
def sqlite_store(path: Path) -> Iterator[SQLStore]:
    """A store on SQLite, for what only SQLite does."""
    with ready.empty_tables():
        store = open_store(f"sqlite:///{path}")
    store.migrate()
    yield store
    store.close()
