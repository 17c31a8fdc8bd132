"""After an erasure no column of any table, and no byte of the files, holds anything of the person."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot_linking.core.codes import digest_of, limits_of
from bot_linking.core.events import EventIgnored
from bot_linking.core.hooks import Hooks
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.journey import Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import ChatLink, WebLink
from bot_linking.core.rights import request_deletion
from bot_linking.messenger.owner_deliveries import OwnerDeliveries
from bot_linking.stores import open_store
from bot_linking.stores.store import SQLStore
from tests import postgres

from .given import (
    DAY,
    GRACE,
    HOUR,
    NOW,
    PAGE,
    attempt_for,
    bury,
    claim,
    link,
    linked,
    queued,
    save_code,
    unlinked,
)

PSID = "31415926535897932384"
ACCOUNT = Account("account-of-erased", "erased.user", "erased@example.com", "+44 2718281828", "Erased Name")
TRACES = (
    PSID,
    "account-of-erased",
    "erased.user",
    "erased@example.com",
    "2718281828",
    "Erased Name",
    "profile of erased",
)


def leave_traces_everywhere(store: SQLStore) -> str:
    """Give a person a row in every table that can hold one. Returns their used code."""
    at_consent: dict[str, Any] = {
        "stage": Stage.CONSENT_SHOWN,
        "session_digest": "s",
        "expires_at": NOW + HOUR,
    }
    named = replace(attempt_for(ACCOUNT, psid=PSID), profile_name="profile of erased")
    mine, unbound = replace(named, **at_consent), replace(attempt_for(ACCOUNT, psid=None), **at_consent)
    for attempt in (mine, unbound):
        assert store.save_attempt(attempt)
    used, _pending, _unbound = (
        save_code(store, mine),
        save_code(store, attempt_for(ACCOUNT, psid=PSID)),
        save_code(store, unbound),
    )
    store.save_resume(PAGE, PSID, {"text": "erased@example.com"}, NOW)
    store.save_resume("", PSID, "erased.user", NOW)
    store.receive(
        [unlinked(psid=PSID, at=NOW - 5), linked(used, psid=PSID), linked("made up", psid=PSID)], NOW
    )
    store.bind(PAGE, PSID, Identifiers(phone_number="+44 2718281828 1"), "api", NOW + 1)
    (entry,) = claim(store)
    bury(store, entry, f"no user {PSID}")
    store.save_resume(PAGE, PSID, "erased.user", NOW)
    store.receive(
        [
            linked(
                save_code(store, attempt_for(ACCOUNT, psid=PSID, page="another")),
                psid=PSID,
                page="another",
                at=2**63,
            )
        ],
        NOW,
    )
    leave_traces_of_the_other_ways(store)
    return used


def leave_traces_of_the_other_ways(store: SQLStore) -> None:
    """Leave traces of the other ways: an undone change and one that can be undone, addresses, questions,
    digits, counters."""
    store.bind(PAGE, PSID, Identifiers(username="grace"), "api", NOW + 2, account=GRACE)
    undone = store.find_undo(PAGE, PSID)
    assert undone is not None
    store.undo(PAGE, PSID, undone.change_id, NOW)
    for account in (ACCOUNT, GRACE):
        store.bind("another", PSID, Identifiers(account.username), "api", NOW + 2, account=account)
    undo = store.find_undo("another", PSID)
    assert undo is not None
    assert undo.before is not None
    store.save_undo_token(digest_of("undo"), undo, NOW + DAY)
    for page in (PAGE, "another"):
        store.save_web_link(WebLink(digest_of(f"web {page}"), page, PSID, NOW + HOUR))
    address = ChatLink(digest_of("chat"), PAGE, GRACE, {"asked": PSID}, NOW + HOUR, used=False)
    store.save_chat_link(address, digest_of("code to type"))
    store.ask(PAGE, PSID, digest_of("question"), address, "account-of-erased", NOW, {"question": "secret"})
    shown = replace(attempt_for(ACCOUNT, psid=PSID, name="typed"), profile_name="profile of erased")
    assert store.save_code(digest_of("typed"), shown, None, NOW, NOW + HOUR, typed=digest_of("123456"))
    store.save_resume(PAGE, PSID, "erased.user", NOW)
    for key in limits_of(PAGE, PSID):
        store.hit(key, NOW + HOUR, NOW)


HELD = {
    *("links", "codes", "attempts", "unlinks_seen", "resumes", "outbox", "history"),
    *("undos", "undo_tokens", "bars", "web_links", "questions", "chat_links"),
}
"""The tables that can hold a line about a person."""


def rows_with(path: Path, text: str) -> list[str]:
    """The tables and columns that hold the text, as text or inside JSON."""
    found = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        for table in tables:
            for _, column, *_ in connection.execute(f"pragma table_info({table})").fetchall():
                query = f"select count(*) from {table} where instr(cast({column} as text), ?) > 0"
                if connection.execute(query, (text,)).fetchone()[0]:
                    found.append(f"{table}.{column}")
    return found


def files_with(path: Path, text: str) -> list[str]:
    files = [path, *path.parent.glob(path.name + "-*")]
    return [file.name for file in files if text.encode() in file.read_bytes()]


@pytest.mark.parametrize("page", [None, PAGE])
def test_nothing_of_an_erased_person_is_in_any_table(
    sqlite_store: SQLStore, path: Path, page: str | None
) -> None:
    leave_traces_everywhere(sqlite_store)
    tables = {place.partition(".")[0] for text in TRACES for place in rows_with(path, text)}
    assert tables >= HELD - {"chat_links"}
    if page is not None:
        sqlite_store.erase("another", PSID, NOW)
    assert sqlite_store.erase(page, PSID, NOW) > 0
    assert {text: rows_with(path, text) for text in TRACES} == {text: [] for text in TRACES}


def test_nothing_of_an_erased_person_is_in_any_byte(sqlite_store: SQLStore, path: Path) -> None:
    leave_traces_everywhere(sqlite_store)
    assert all(files_with(path, text) for text in TRACES)
    sqlite_store.erase(None, PSID, NOW)
    assert {text: files_with(path, text) for text in TRACES} == {text: [] for text in TRACES}


def test_no_counter_of_an_erased_person_is_left(store: SQLStore) -> None:
    """The counters' keys are digests of page and PSID, which a holder of a list of PSIDs could compute."""
    leave_traces_everywhere(store)
    for page in (PAGE, "another"):
        for key in limits_of(page, PSID):
            store.hit(key, NOW + HOUR, NOW)
    store.erase(None, PSID, NOW)
    for page in (PAGE, "another"):
        assert [store.find_limit(key, NOW, HOUR)[0] for key in limits_of(page, PSID)] == [0, 0, 0]


def test_a_person_who_was_never_linked_leaves_no_counter(store: SQLStore) -> None:
    link(store, GRACE, psid="somebody else", page="1")
    link(store, GRACE, psid="somebody else", page="9")
    store.save_web_link(WebLink(digest_of("web"), "5", PSID, NOW + HOUR))
    key = limits_of("5", PSID).typed
    store.hit(key, NOW + HOUR, NOW)
    store.erase(None, PSID, NOW)
    assert store.find_limit(key, NOW, HOUR)[0] == 0


def test_an_export_shows_every_table_that_an_erasure_empties(store: SQLStore) -> None:
    """Each table that erasing empties is in the export, without its secrets."""
    leave_traces_everywhere(store)
    held = store.export(None, PSID) | {"chat_links": store.export_account(GRACE.id)["chat_links"]}
    assert {table for table, rows in held.items() if rows} == HELD - {"undo_tokens"}
    for secret in ("secret", digest_of("undo"), digest_of("question"), digest_of("typed")):
        assert secret not in str(held)
    store.erase(None, PSID, NOW)
    assert [table for table, rows in store.export(None, PSID).items() if rows] == []


@pytest.fixture
def postgres_rows() -> Iterator[tuple[SQLStore, Callable[[str], list[str]]]]:
    """A store in PostgreSQL, and a function that names the tables and columns that hold a text."""
    psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with postgres.schema_with_tables() as url, closing(psycopg.connect(url, autocommit=True)) as connection:
        store = open_store(url)
        store.migrate()

        def rows_with(text: str) -> list[str]:
            places = connection.execute(
                "select table_name, array_agg(column_name::text) from information_schema.columns "
                "where table_schema = current_schema() group by table_name"
            ).fetchall()
            found = []
            for table, columns in places:
                holds = ", ".join(f"bool_or(strpos(cast({each} as text), %(text)s) > 0)" for each in columns)
                row = connection.execute(f"select {holds} from {table}", {"text": text}).fetchone()
                found += [
                    f"{table}.{column}" for column, is_here in zip(columns, row, strict=True) if is_here
                ]
            return found

        yield store, rows_with
        store.close()


@pytest.mark.parametrize("page", [None, PAGE])
def test_nothing_of_an_erased_person_is_in_any_row_of_postgresql(
    postgres_rows: tuple[SQLStore, Callable[[str], list[str]]], page: str | None
) -> None:
    store, rows_with = postgres_rows
    leave_traces_everywhere(store)
    assert rows_with(PSID)
    if page is not None:
        store.erase("another", PSID, NOW)
    store.erase(page, PSID, NOW)
    assert {text: rows_with(text) for text in TRACES} == {text: [] for text in TRACES}


APP_USER = "app-scoped-of-erased"


def delete_as_meta_asks(store: SQLStore) -> str:
    """Record a request of Meta's and fulfil it. Returns its code."""
    people = [(PAGE, PSID), ("another", PSID)]
    hooks = Hooks(clock=lambda: NOW / 1000, psids_of=lambda user_id: people if user_id == APP_USER else [])
    linking = Linking(store, tell=lambda event: None, page_id=PAGE, hooks=hooks)
    code = request_deletion(linking, "deletion", APP_USER, digest_of("request"), "the-code-of-the-request")
    bots: Any = None  # the host is asked, never Graph
    requests = OwnerDeliveries(linking, bots, hooks=hooks, app_id=None, undo_url="")
    (entry,) = [each for each in claim(store) if each.kind == "deletion"]
    requests.fulfil(entry)
    return code


def test_what_meta_asked_to_delete_leaves_no_byte(sqlite_store: SQLStore, path: Path) -> None:
    """The id under which Meta knows the person is gone, too."""
    leave_traces_everywhere(sqlite_store)
    done = sqlite_store.find_deletion(delete_as_meta_asks(sqlite_store))
    assert done is not None
    assert done.state == "done"
    left = {text: files_with(path, text) for text in (*TRACES, APP_USER)}
    assert left == {text: [] for text in left}
    assert all(rows_with(path, text) == [] for text in left)


def test_what_meta_asked_to_delete_leaves_no_row_of_postgresql(
    postgres_rows: tuple[SQLStore, Callable[[str], list[str]]],
) -> None:
    store, rows_with = postgres_rows
    leave_traces_everywhere(store)
    done = store.find_deletion(delete_as_meta_asks(store))
    assert done is not None
    assert done.state == "done"
    left = {text: rows_with(text) for text in (*TRACES, APP_USER)}
    assert left == {text: [] for text in left}


def test_an_erased_account_leaves_nothing_besides_its_chats(sqlite_store: SQLStore, path: Path) -> None:
    """Rows of other chats that name the account as a former one go, too."""
    leave_traces_everywhere(sqlite_store)
    sqlite_store.drop_undos_of_account(ACCOUNT.id)
    sqlite_store.drop_pending(ACCOUNT.id)
    assert sqlite_store.erase_account(ACCOUNT.id, NOW) > 0
    left = {place.partition(".")[0] for text in TRACES[1:] for place in rows_with(path, text)}
    assert left <= {"links", "resumes", "outbox", "questions"}
    assert sqlite_store.find_link(PAGE, PSID) is not None


def test_an_ended_link_leaves_no_identifier_in_any_table_but_the_accounts_id(
    sqlite_store: SQLStore, path: Path
) -> None:
    used = save_code(sqlite_store, attempt_for(ACCOUNT, psid=PSID))
    sqlite_store.receive([linked(used, psid=PSID)], NOW)
    sqlite_store.unlink(PAGE, PSID, "python", NOW)
    sqlite_store.purge(NOW + 4 * DAY)
    for text in ("erased.user", "erased@example.com", "2718281828"):
        assert rows_with(path, text) == []


def test_erasing_one_person_touches_no_other(store: SQLStore) -> None:
    leave_traces_everywhere(store)
    for psid in (PSID[:-1], PSID + "0", PSID.lower() + "x"):
        link(store, GRACE, psid=psid)
    pending = save_code(store, attempt_for(GRACE, psid="9"))
    store.erase(None, PSID, NOW)
    assert len(list(store.list_links())) == 3
    assert {psid for psid, _ in queued(store)} == {PSID[:-1], PSID + "0", PSID + "x"}
    store.receive([linked(pending, psid="9")], NOW)
    assert store.find_link(PAGE, "9") is not None


def test_erasing_on_one_page_leaves_the_others(store: SQLStore) -> None:
    for page in ("1", "2"):
        link(store, page=page, psid=PSID)
    store.erase("1", PSID, NOW)
    assert [each.page_id for each in store.find_links_of_psid(PSID)] == ["2"]


def test_a_used_code_stays_used_without_a_name(store: SQLStore) -> None:
    """A late redelivery must not bring the person back."""
    used = leave_traces_everywhere(store)
    store.erase(None, PSID, NOW)
    assert store.receive([linked(used, psid=PSID)], NOW) == [EventIgnored("duplicate", PAGE, PSID)]
    assert store.find_link(PAGE, PSID) is None
    assert store.history_of(None, PSID) == []


def test_a_second_erasure_finds_nothing(store: SQLStore) -> None:
    leave_traces_everywhere(store)
    assert store.erase(None, PSID, NOW) > 0
    assert store.erase(None, PSID, NOW) == 0
