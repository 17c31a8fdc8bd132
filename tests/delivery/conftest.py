"""An outbox with entries, and a worker whose handlers do what a test tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot_linking.stores import open_store
from tests.bots import Clock

from .post import Post


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "links.db"


@pytest.fixture
def post(path: Path, clock: Clock) -> Iterator[Post]:
    store = open_store(f"sqlite:///{path}")
    yield Post(store, clock)
    store.close()
