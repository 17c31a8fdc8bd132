"""The same histories on PostgreSQL, where transactions run side by side; fewer of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot_linking.core.ports import Store
from bot_linking.stores import open_store
from tests import postgres

from . import test_histories


@pytest.fixture
def store() -> Iterator[Store]:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with postgres.schema_with_tables() as url:
        store = open_store(url)
        yield store
        store.close()


@pytest.mark.parametrize("chunk", range(4))
def test_random_histories_end_where_the_model_ends(
    store: Store, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_histories, "HISTORIES", 150)
    test_histories.test_ten_thousand_random_histories_end_where_the_model_ends(store, chunk)


def test_a_storm_after_an_outage_ends_in_the_order_of_the_timestamps(store: Store) -> None:
    test_histories.test_a_storm_after_an_outage_ends_in_the_order_of_the_timestamps(store, 0)


def test_parallel_delivery_ends_in_the_order_of_the_timestamps(store: Store) -> None:
    test_histories.test_parallel_delivery_ends_in_the_order_of_the_timestamps(store)
