"""A test gets the PostgreSQL tables of an earlier one only when nothing shows that there was one."""

from __future__ import annotations

from contextlib import closing

import pytest

from bot_linking.stores import open_store
from tests import postgres

from .given import link

pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")


def schema_of(url: str) -> str:
    return url.rpartition("%3D")[2]


def is_spare(url: str) -> bool:
    """Whether another test will get these tables."""
    return schema_of(url) in [name for name, _ in postgres.server().spare]


def fill(url: str) -> None:
    with closing(open_store(url)) as store:
        link(store)


def test_the_next_test_finds_no_row_counts_from_one_and_has_another_address() -> None:
    with postgres.schema_with_tables() as first:
        fill(first)
        assert postgres.execute(first, "select max(tick) from codes") == [(1,)]
    assert is_spare(first)
    with postgres.schema_with_tables() as second:
        assert second != first
        assert postgres.execute(second, "select 1 from links union all select 1 from codes") == []
        assert postgres.execute(second, f"select to_regclass('{schema_of(first)}.links')") == [(None,)]
        fill(second)
        assert postgres.execute(second, "select max(tick) from codes") == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "create table customers (id text)",
        "drop table undos",
        "alter table links add column shoe_size text",
        "alter table links alter column locale set default 'de'",
        "alter table links rename column locale to language",
        "alter table links rename to elsewhere",
        "alter table links add check (psid <> '')",
        "create index by_language on links (locale)",
        "drop index links_named",
        "create function version() returns text language sql as 'select 1::text'",
        "insert into bot_linking_migrations (room, step) values ('bot_linking', 'schema_9998')",
        "analyze bot_linking_migrations",
        "insert into limits (key, hits, expires_at) select n::text, 1, 1 from generate_series(1, 5000) n",
    ],
)
def test_a_schema_that_a_test_has_changed_is_given_to_no_other(change: str) -> None:
    with postgres.schema_with_tables() as url:
        postgres.execute(url, change)
    assert not is_spare(url)


def test_a_schema_of_a_test_that_failed_is_given_to_no_other() -> None:
    def fail(url: str) -> None:
        raise LookupError(url)

    with pytest.raises(LookupError) as failed, postgres.schema_with_tables() as url:
        fail(url)
    assert not is_spare(str(failed.value))
